"""Decisions and retrainings, told to a real HTTP server on this machine."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.store import Store
from pipeline.loop import Loop
from pipeline.notices import LEASE, tell
from records.champions import promote
from records.database import Database
from records.leases import holder, take
from records.notices import untold
from records.retrainings import advance, begin
from records.rollouts import finish, start
from settings import Settings
from tests.monitor.report.test_webhook import Listener, listening
from tests.servers import closed_port

AT_ONCE = timedelta(0)
NOW = datetime(2030, 1, 2, tzinfo=UTC)


@pytest.fixture
def begun(database: Database) -> Database:
    """A database whose webhook was asked once."""
    assert list(tell(database, "http://127.0.0.1:1/", NOW)) == []
    return database


def promoted(database: Database, *versions: str) -> None:
    for version in versions:
        promote(database, "clf", version, actor="me", because="better", answering="v0")


def bodies(listener: Listener) -> list[dict[str, Any]]:
    return [json.loads(body) for body in listener.bodies]


def after(listener: Listener) -> list[str]:
    return [body["after"] for body in bodies(listener)]


def test_each_decision_is_told_once_and_in_order(begun: Database) -> None:
    promoted(begun, "v1", "v2")
    with listening() as listener:
        assert list(tell(begun, listener.url)) == []
        promoted(begun, "v3")
        assert list(tell(begun, listener.url)) == []
        assert list(tell(begun, listener.url)) == []
    assert after(listener) == ["v0", "v1", "v2", "v3"]
    assert holder(begun, LEASE) is None


def test_what_was_decided_before_is_not_told(database: Database) -> None:
    promoted(database, "v1")
    with listening() as listener:
        assert list(tell(database, listener.url)) == []
        promoted(database, "v2")
        assert list(tell(database, listener.url)) == []
    assert after(listener) == ["v2"]


def test_the_body_says_who_when_why_and_by_which_numbers(begun: Database) -> None:
    rollout = start(
        begun, "clf", "v2", actor="pipeline", because="the gate passed it", answering="v1",
        shadow=0.1, rule={},
    )  # fmt: skip
    numbers = {"tests": [{"losses": 27, "evidence": float("inf")}]}
    decision = finish(
        begun, rollout, "harm", actor="guard", because="rolled back: of 31", numbers=numbers
    )
    with listening() as listener:
        assert list(tell(begun, listener.url)) == []
    _found, started, ended = bodies(listener)
    assert started["text"] == "clf:v2 is on trial: the gate passed it"
    assert ended == {
        "text": "clf:v2 was rolled back: of 31",
        "kind": "decision",
        "id": decision.id,
        "at": decision.at.isoformat(),
        "model": "clf",
        "version": "v2",
        "action": "harm",
        "actor": "guard",
        "because": "rolled back: of 31",
        "before": None,
        "after": None,
        "rollout": rollout.id,
        "numbers": {"tests": [{"losses": 27, "evidence": None}]},
    }


def test_the_end_of_a_retraining_is_told(begun: Database) -> None:
    made = begin(begun, "clf", "accuracy", "a drop of 8 points", "v1")
    with listening() as listener:
        assert list(tell(begun, listener.url)) == []
        assert not listener.bodies
        ended = advance(begun, made.id, "refused", challenger="v2", detail="recall of 3")
        assert list(tell(begun, listener.url)) == []
        assert list(tell(begun, listener.url)) == []
    assert ended.ended_at is not None
    assert bodies(listener) == [
        {
            "text": f"Retraining {made.id} of clf came to nothing: recall of 3",
            "kind": "retraining",
            "id": made.id,
            "at": ended.ended_at.isoformat(),
            "model": "clf",
            "version": "v2",
            "action": "refused",
            "because": "recall of 3",
            "champion": "v1",
            "trigger": "accuracy",
            "reason": "a drop of 8 points",
            "began": made.started_at.isoformat(),
            "verdict": None,
            "rollout": None,
        }
    ]


def test_what_an_unreachable_webhook_missed_is_told_later(begun: Database) -> None:
    promoted(begun, "v1", "v2")
    nowhere = f"http://127.0.0.1:{closed_port()}/secret"
    (line,) = tell(begun, nowhere, retry=AT_ONCE)
    assert line.startswith("decision 1 of clf was not told: The webhook at 127.0.0.1 did not")
    assert "secret" not in line
    with listening() as listener:
        assert list(tell(begun, listener.url)) == []
    assert after(listener) == ["v0", "v1", "v2"]


def test_what_was_refused_is_told_again_before_the_rest(begun: Database) -> None:
    promoted(begun, "v1", "v2")
    with listening(200, 404) as listener:
        (line,) = tell(begun, listener.url, retry=AT_ONCE)
        assert line == "decision 2 of clf was not told: The webhook at 127.0.0.1 answered 404."
        assert list(tell(begun, listener.url)) == []
    assert after(listener) == ["v0", "v1", "v1", "v2"]


def test_after_a_failure_nobody_tries_for_a_while(begun: Database) -> None:
    promoted(begun, "v1")
    with listening(404) as listener:
        assert len(list(tell(begun, listener.url))) == 1
        assert list(tell(begun, listener.url)) == []
    assert len(listener.bodies) == 1


def test_of_two_processes_one_tells(begun: Database) -> None:
    promoted(begun, "v1")
    take(begun, LEASE, "another", timedelta(minutes=1))
    with listening() as listener:
        assert list(tell(begun, listener.url)) == []
    assert not listener.bodies
    assert untold(begun, 1)


def test_with_nothing_to_tell_no_lease_is_taken(begun: Database) -> None:
    take(begun, LEASE, "another", timedelta(minutes=1))
    assert list(tell(begun, "not a URL")) == []
    found = holder(begun, LEASE)
    assert found is not None
    assert found[0] == "another"


def test_the_guard_tells_what_was_decided(begun: Database) -> None:
    promoted(begun, "v1")
    with listening(404) as listener:
        loop = Loop(begun, Store(), Settings(webhook_url=listener.url))
        (event,) = loop.turn("guard")
        assert (event.task, event.what, event.fault) == ("guard", "not told", True)
        assert event.because.startswith("decision 1 of clf was not told: ")
    assert len(listener.bodies) == 1
    assert list(Loop(begun, Store(), Settings()).turn("guard")) == []
