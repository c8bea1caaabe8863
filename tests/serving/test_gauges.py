"""The newest reports, as Prometheus is told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client import REGISTRY

from records.champions import promote
from records.reports import ReportRow, save
from records.requests import ask
from records.retrainings import State, advance, begin
from records.windows import window
from serving.gauges import _RETRAININGS, Gauges
from serving.recording.connection import RecordsConnection
from settings import Settings
from tests.records.rows import keep, label, row

AT = datetime(2026, 11, 23, 9, 41, tzinfo=UTC)


def report(**changes: Any) -> ReportRow:
    fields: dict[str, Any] = {
        "at": AT, "model": "clf", "version": "v", "kind": "drift", "window_start": None,
        "window_end": None, "images": 100, "state": "calm", "p_value": 0.5, "body": "{}",
    }  # fmt: skip
    return ReportRow(**fields | changes)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"pupila_{name}", {"model": "clf"} | labels)


def gauge(name: str, kind: str) -> float | None:
    return value(f"monitor_{name}", kind=kind)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordsConnection]:
    connection = RecordsConnection(Settings(home=tmp_path / "pupila"))
    yield connection
    connection.close()


def test_the_newest_report_of_each_kind_is_shown(records: RecordsConnection) -> None:
    with records.open() as database:
        save(database, report())
        save(database, report(state="alarm", p_value=0.001))
        save(database, report(kind="quality", state="unknown", p_value=None))
    Gauges(records).read()
    assert gauge("state", "drift") == 2
    assert gauge("p_value", "drift") == 0.001
    assert gauge("images", "drift") == 100
    assert gauge("state", "quality") == -1
    assert gauge("report_timestamp_seconds", "quality") == AT.timestamp()


def test_labels_that_are_old_or_missing_show_by_their_age(records: RecordsConnection) -> None:
    for body, expected in (
        ('{"accuracy": {"newest": "2026-11-23T09:41:00Z"}}', AT.timestamp()),
        ('{"accuracy": {"newest": null}}', 0),
        ('{"accuracy": {}}', 0),
        ("[]", 0),
        ("no JSON", 0),
    ):
        with records.open() as database:
            save(database, report(kind="accuracy", state="unknown", body=body))
        Gauges(records).read()
        assert value("monitor_labelled_timestamp_seconds") == expected
    assert gauge("state", "accuracy") == -1


def test_the_newest_retraining_is_shown_with_its_state_and_age(records: RecordsConnection) -> None:
    gauges = Gauges(records)
    with records.open() as database:
        one = begin(database, "clf", "age", "it is old", "v1")
    gauges.read()
    assert value("retraining_state") == 1
    assert value("retraining_timestamp_seconds") == one.started_at.timestamp()
    with records.open() as database:
        ended = advance(database, one.id, "failed", detail="no data")
    gauges.read()
    assert ended.ended_at is not None
    assert value("retraining_state") == -2
    assert value("retraining_timestamp_seconds") == ended.ended_at.timestamp()


def test_every_state_of_a_retraining_has_a_number() -> None:
    assert _RETRAININGS.keys() == set(get_args(State))
    assert len(set(_RETRAININGS.values())) == len(_RETRAININGS)


def test_the_last_decision_of_each_kind_is_shown(records: RecordsConnection) -> None:
    def decided(version: str) -> float:
        with records.open() as database:
            return promote(
                database, "clf", version, actor="me", because="better", answering="v0"
            ).at.timestamp()

    gauges = Gauges(records)
    first = decided("v1")
    gauges.read()
    assert value("rollout_decision_timestamp_seconds", action="promote") == first
    second = decided("v2")
    gauges.read()
    assert value("rollout_decision_timestamp_seconds", action="promote") == second
    assert value("rollout_decision_timestamp_seconds", action="found") is not None
    assert value("rollout_decision_timestamp_seconds", action="harm") is None


def test_labels_that_are_waited_for_are_counted_down_to_none(records: RecordsConnection) -> None:
    gauges = Gauges(records)
    with records.open() as database:
        keep(database, row("1"), row("2"), row("3"))
        ids = [one.id for one in window(database, "clf")]
        ask(database, ids[:2], "rollout", 1)
    gauges.read()
    assert value("label_requests_open", drawn="rollout") == 2
    for name in ("1", "2", "3"):
        with records.open() as database:
            label(database, name, 8)
    gauges.read()
    assert value("label_requests_open", drawn="rollout") == 0
