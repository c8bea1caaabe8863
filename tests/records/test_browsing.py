"""The newest records by class, their sums over time, and what is exported of them."""

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.exporting import file_name, write_folder
from console.trend import Trends
from records.browsing import class_counts, duplicates, kept, mistakes, of_class
from records.database import Database
from records.labels import NewLabel, add
from records.prediction import KeptPrediction
from records.traffic import add_traffic
from records.trends import Step
from records.writer import add_predictions
from tests.console.scene import digit

NOW = datetime(2030, 1, 31, 12, 30, tzinfo=UTC)


@pytest.fixture
def filled(database: Database) -> Database:
    """Six predictions of three classes, of which two have the same image and three a label."""
    kept_ = [
        KeptPrediction(
            request_id=f"r{number}",
            model="clf",
            version="v1",
            at=NOW + timedelta(seconds=number),
            image=digit(min(number, 4))[0],
            label=number % 3,
            confidence=0.9,
        )
        for number in range(6)
    ]
    with database.writing() as connection:
        add_predictions(connection, kept_)
    labels = [NewLabel("r0", 0), NewLabel("r1", 2), NewLabel("r2", 2)]
    add(database, labels, lambda _: (0, 1, 2))
    return database


def test_counts_of_the_classes(filled: Database) -> None:
    counts = class_counts(filled, "clf")
    assert (counts.predicted, counts.given) == ({0: 2, 1: 2, 2: 2}, {2: 2, 0: 1})
    assert (counts.predictions, counts.labels) == (6, 3)
    assert kept(filled, "clf", 4) == 4


def test_images_of_a_class(filled: Database) -> None:
    by_prediction = of_class(filled, "clf", 1, by_label=False, skip=0, limit=9)
    assert [one.request_id for one in by_prediction] == ["r4", "r1"]
    by_label = of_class(filled, "clf", 2, by_label=True, skip=0, limit=9)
    assert {one.request_id for one in by_label} == {"r1", "r2"}
    assert [
        one.request_id for one in of_class(filled, "clf", 1, by_label=False, skip=1, limit=9)
    ] == ["r1"]
    assert of_class(filled, "clf", "1", by_label=False, skip=0, limit=9) == []


def test_mistakes_of_a_version(filled: Database) -> None:
    assert [(one.request_id, one.label, one.given) for one in mistakes(filled, "clf", "v1", 9)] == [
        ("r1", 1, 2)
    ]
    assert mistakes(filled, "clf", "v2", 9) == []


def test_what_was_not_said_is_no_class_and_no_mistake(database: Database) -> None:
    silent = KeptPrediction(
        request_id="r1",
        model="clf",
        version="v1",
        at=NOW,
        image=digit(1)[0],
        label=3,
        confidence=0.5,
        abstained=True,
    )
    with database.writing() as connection:
        add_predictions(connection, [silent])
    add(database, [NewLabel("r1", 7, "clf")], lambda _: range(10))
    counts = class_counts(database, "clf")
    assert (dict(counts.predicted), counts.predictions, counts.abstained) == ({}, 1, 1)
    assert mistakes(database, "clf", "v1", 9) == []
    assert of_class(database, "clf", 3, by_label=False, skip=0, limit=9) == []


def test_the_same_image_twice(filled: Database) -> None:
    (group,) = duplicates(filled, "clf", 5)
    assert [one.request_id for one in group] == ["r5", "r4"]


def test_a_folder_for_each_class(filled: Database, tmp_path: Path) -> None:
    path = tmp_path / "clf.zip"
    assert write_folder(filled, path, "clf", labelled=True) == 3
    with zipfile.ZipFile(path) as archive:
        names = sorted(archive.namelist())
        assert [name.partition("/")[0] for name in names] == ["0", "2", "2"]
        assert archive.read(names[0]) == digit(0)[0]


@pytest.mark.parametrize(
    ("label", "name"),
    [("../../etc", "_.._etc"), ("a/b", "a_b"), ("..", "_"), ("café", "café"), ("", "_")],
)
def test_a_label_names_no_other_place(label: str, name: str) -> None:
    assert file_name(label) == name


def test_steps_of_time_are_added_up_once(database: Database) -> None:
    hour = NOW.replace(minute=0)
    counts = {
        (hour - timedelta(hours=2), "clf", "v1", "champion", "status", "200"): 5,
        (hour - timedelta(hours=2), "clf", "v1", "champion", "status", "503"): 1,
        (hour - timedelta(hours=2), "clf", "v1", "champion", "latency", "0.005"): 6,
        (hour, "clf", "v1", "champion", "status", "200"): 2,
        (hour, "clf", "v1", "champion", "label", '"cat"'): 2,
        (hour, "other", "v1", "champion", "status", "200"): 9,
    }
    with database.writing() as connection:
        add_traffic(connection, counts)
    trends = Trends(seconds=60)
    trend = trends.trend(database, "clf", "day", NOW)
    assert [one.requests for one in trend.steps[-3:]] == [6, 0, 2]
    assert trend.steps[-1].predicted == {'"cat"': 2}
    assert (trend.steps[-3].errors, trend.missing, len(trend.steps)) == (1, 0, 24)
    # What is over is not read again; what goes on is.
    with database.writing() as connection:
        add_traffic(connection, counts)
    again = trends.trend(database, "clf", "day", NOW)
    assert [one.requests for one in again.steps[-3:]] == [6, 0, 4]


def test_quantiles_are_bounds_of_buckets() -> None:
    step = Step(NOW, latencies={0.001: 90, 0.005: 9, float("inf"): 1})
    assert [step.quantile(0.5), step.quantile(0.95), step.quantile(1.0)] == [
        0.001,
        0.005,
        float("inf"),
    ]
    assert Step(NOW).quantile(0.5) is None
