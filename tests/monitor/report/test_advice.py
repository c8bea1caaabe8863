import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.store import Store
from monitor.findings import Findings
from monitor.inspection import inspect
from monitor.quality.check import THRESHOLDS
from monitor.report.advice import HINTS, Step, steps
from monitor.window.version import MonitoredVersion
from records.database import Database
from tests.drafts import LinearDraft
from tests.monitor.production import HOUR, NOON, Production, give_labels, inspected, keep, turned

RECIPE = ("--recipe", "logistic")


def commands(found: tuple[Step, ...]) -> list[list[str]]:
    """As a shell would read them."""
    return [shlex.split(step.command) for step in found if step.command]


def test_a_calm_window_asks_for_nothing(calm: Findings) -> None:
    (step,) = steps(calm)
    assert step.text.startswith("Nothing.")
    assert step.command == "python -m monitor watch --every 1h"


def test_an_alarm_says_label_then_train(alarm: Findings) -> None:
    curl, export, train = commands(steps(alarm))
    body = json.loads(curl[3])
    assert curl[:3] == ["curl", "http://localhost:8000/feedback/", "-d"]
    assert body["request_id"].startswith("'2; rm -rf -")
    assert body["model"] == "watched"
    assert export[:4] == ["python", "-m", "records", "export"]
    assert export[export.index("--since") + 1] == "2030-01-31T12:00:00"
    assert train[:7] == ["python", "-m", "train", "--data", "FOLDER", "--name", "watched"]
    assert train[7:] == ["--recipe", "logistic", "--image-spec", "digits"]


def test_a_fault_of_the_images_comes_first(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, 255 - production.images(0))
    found = steps(inspected(database, monitored))
    assert found[0].text.startswith("Wrong polarity: 100% of the images look like negatives")
    # Other classes follow from it.
    assert not any(step.text.startswith("Class imbalance") for step in found)


def test_with_labels_no_more_are_asked_for(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    names = keep(database, production.version, turned(production.images(0)))
    give_labels(database, names, production.truth(0))
    found = steps(inspected(database, monitored))
    assert [command[2] for command in commands(found)] == ["records", "train"]


def test_few_images(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0, 9))
    found = steps(inspected(database, monitored))
    assert "There are 9 images, but at least 50 are needed" in found[-1].text


def test_few_images_after_weighting_are_no_fault_of_the_recorder(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0)[:80])
    often = production.images(1)[:20]
    keep(database, production.version, often, prefix="often", weight=50.0)
    text = steps(inspected(database, monitored))[-1].text
    assert " images, after weighting, but at least 50 are needed" in text
    assert "PUPILA_RECORD" not in text


def test_a_version_without_data(production: Production, database: Database, tmp_path: Path) -> None:
    other = Store(tmp_path / "models").save(LinearDraft(name="foreign"))
    found = steps(inspect(database, MonitoredVersion.of(other), NOON - HOUR, NOON))
    assert found[-1].command == "python -m monitor run --model foreign --data FOLDER"


@pytest.mark.parametrize("name", THRESHOLDS)
def test_every_check_has_a_hint(name: str) -> None:
    assert name in HINTS


def test_a_larger_holdout_is_of_the_same_images(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    """As of a version that was trained on the digits with a holdout of a few."""
    assert monitored.reference is not None
    halves = monitored.reference.halves
    small = replace(
        monitored.reference,
        pixels=monitored.reference.pixels[:40],
        labels=monitored.reference.labels[:40],
        probabilities=monitored.reference.probabilities[:40],
        halves=None if halves is None else np.ascontiguousarray(halves[:, :40]),
    )
    keep(database, production.version, production.images(0, 200))
    found = steps(inspected(database, MonitoredVersion(production.version, small)))
    [_, train_again] = commands(found)
    assert train_again[3:] == ["--data", "digits", "--name", "watched", *RECIPE, "--holdout", "0.3"]
