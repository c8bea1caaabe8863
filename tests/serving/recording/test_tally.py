"""Counts of a version, by the keys that records use."""

from datetime import UTC, datetime

import pytest

from records.columns import label_text
from serving.recording.tally import Tally, minute_of

MINUTE = datetime(2026, 11, 23, 9, 41, tzinfo=UTC)


def found(tally: Tally) -> dict[tuple[str, str], int]:
    counts = dict(tally.counts(MINUTE))
    assert {key[:4] for key in counts} <= {(MINUTE, "clf", "v1", "champion")}
    return {key[4:]: count for key, count in counts.items()}


def test_without_requests_nothing_is_counted() -> None:
    assert found(Tally("clf", "v1", (0, 1))) == {}


def test_predictions_are_counted_by_status_and_label() -> None:
    tally = Tally("clf", "v1", (0, 8, "8", "é"))
    for index in (1, 1, 2, 3):
        tally.predictions[index] += 1
    assert found(tally) == {
        ("status", "200"): 4,
        ("label", label_text(8)): 2,
        ("label", label_text("8")): 1,
        ("label", label_text("é")): 1,
    }


def test_failures_are_counted_by_status() -> None:
    tally = Tally("clf", "v1", (0, 1))
    tally.statuses[400] += 2
    tally.statuses[503] += 1
    assert found(tally) == {("status", "400"): 2, ("status", "503"): 1}


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, "0.0005"), (0.0005, "0.0005"), (0.00051, "0.001"), (2.0, "2.5"), (11.0, "+Inf")],
)
def test_durations_are_counted_by_the_upper_bound_of_their_bucket(
    seconds: float, bucket: str
) -> None:
    tally = Tally("clf", "v1", ())
    tally.durations.extend([seconds] * 3)
    assert found(tally) == {("latency", bucket): 3}


def test_the_minute_of_a_moment() -> None:
    assert minute_of(MINUTE.timestamp()) == MINUTE
    assert minute_of(MINUTE.timestamp() + 59.99) == MINUTE
