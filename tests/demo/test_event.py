"""Events, of what the service says in public."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demo.event import moment, of_decision, of_line


def decision(action: str, **numbers: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"at": at, "action": action, "because": "so", "rollout_id": 1, "numbers": numbers}


@pytest.mark.parametrize(
    ("fields", "kind", "mark"),
    [
        (decision("start"), "rollout", "shadow"),
        (decision("stage", share=0.25), "rollout", "25%"),
        (decision("gain"), "good", "promoted"),
        (decision("harm"), "good", "rolled back"),
        (decision("abort"), "bad", "abort"),
    ],
)
def test_a_decision_has_a_mark(fields: dict[str, Any], kind: str, mark: str) -> None:
    event = of_decision(fields, {1: "the cure"})
    assert (event.kind, event.mark) == (kind, mark)


def line(task: str, what: str, because: str = "so", **more: Any) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"at": at, "task": task, "what": what, "because": because, "fault": False} | more


def test_an_alarm_and_a_suspicion_are_alarms_and_calm_is_none() -> None:
    for more, mark in (({"state": "alarm"}, "alarm"), ({"harm": True}, "alarm"), ({}, "")):
        event = of_line(line("monitor", "inspected", "clf:a 1 to 2, 60 images: X", **more))
        assert event is not None
        assert (event.text, event.mark) == ("the monitor: X", mark)


def test_a_fault_is_told_whatever_it_is_of() -> None:
    event = of_line(line("guard", "failed", "no database", fault=True))
    assert event is not None
    assert (event.kind, event.text) == ("bad", "guard: no database")


def test_what_the_guard_decides_is_told_by_its_decision_alone() -> None:
    assert of_line(line("guard", "promote")) is None
    named = of_line(line("guard", "stay", "3 of 20; 8 images were named to label first"))
    assert named is not None
    assert named.text == "the guard: 8 images were named to label first"


def test_a_moment_is_by_the_clock_of_this_machine() -> None:
    now = datetime.now(UTC)
    earlier, later = moment((now - timedelta(seconds=100)).isoformat()), moment(now.isoformat())
    assert round(later - earlier) == 100
