"""A rollout's way through the database."""

from typing import TypedDict

import pytest

from errors import RolloutError
from records.champions import routings
from records.database import Database
from records.decisions import history
from records.rollouts import finish, move, pause, resume, rollouts, running, start
from records.routing import Rollout, Routing


class By(TypedDict):
    actor: str
    because: str


BY: By = {"actor": "ann", "because": "tests"}


def started(database: Database, challenger: str = "b") -> Rollout:
    return start(database, "clf", challenger, answering="a", shadow=0.1, rule={"alpha": 0.05}, **BY)


def now(database: Database) -> Routing:
    known = routings(database)[1]
    assert known is not None
    return known["clf"]


def test_a_rollout_begins_with_the_shadow(database: Database) -> None:
    rollout = started(database)
    assert (rollout.stage, rollout.share, rollout.shadow, rollout.paused) == (
        "shadow",
        0,
        0.1,
        False,
    )
    assert now(database) == Routing("clf", "a", "b", rollout)
    assert running(database, "clf") == rollout
    assert [one.action for one in history(database, "clf")] == ["start", "found"]


def test_one_rollout_of_a_model_at_a_time(database: Database) -> None:
    started(database)
    with pytest.raises(RolloutError, match="Rollout 1 of clf:b is going on: wait for its end"):
        started(database, "c")


def test_a_champion_is_not_rolled_out(database: Database) -> None:
    with pytest.raises(RolloutError, match="clf:a is the champion: roll out a version that is not"):
        started(database, "a")
    assert routings(database) == (0, {})


def test_a_share_grows(database: Database) -> None:
    decision = move(database, started(database), "canary", 0.05, numbers={"pairs": 40}, **BY)
    numbers = {"pairs": 40, "stage": "canary", "share": 0.05}
    assert (decision.action, decision.numbers, decision.rollout_id) == ("stage", numbers, 1)
    rollout = running(database, "clf")
    assert (rollout.stage, rollout.share) == ("canary", 0.05)
    assert rollout.stage_at > rollout.started_at


def test_of_two_who_saw_the_same_one_decides(database: Database) -> None:
    seen = started(database)
    finish(database, seen, "harm", **BY)
    changed = "Rollout 1 of clf was changed by somebody else"
    with pytest.raises(RolloutError, match=changed):
        move(database, seen, "canary", 0.05, **BY)
    with pytest.raises(RolloutError, match=changed):
        finish(database, seen, "gain", **BY)
    with pytest.raises(RolloutError, match=changed):
        pause(database, seen, **BY)
    assert now(database) == Routing("clf", "a")


def test_gain_promotes_the_challenger(database: Database) -> None:
    decision = finish(database, started(database), "gain", **BY)
    assert (decision.before, decision.after) == ("a", "b")
    assert now(database) == Routing("clf", "b")
    [ended] = rollouts(database, "clf")
    assert (ended.stage, ended.share, ended.active) == ("promoted", 1.0, False)
    assert rollouts(database, active=True) == []


@pytest.mark.parametrize(("ending", "stage"), [("harm", "rolled back"), ("abort", "aborted")])
def test_otherwise_the_champion_stays(database: Database, ending: str, stage: str) -> None:
    decision = finish(database, started(database), ending, **BY)  # type: ignore[arg-type]
    assert decision.after is None
    assert now(database) == Routing("clf", "a")
    assert rollouts(database)[0].stage == stage
    with pytest.raises(RolloutError, match="No rollout of model 'clf' is going on"):
        running(database, "clf")


def test_a_pause_ends_when_somebody_says_so(database: Database) -> None:
    pause(database, started(database), **BY)
    paused = running(database, "clf")
    assert paused.paused
    with pytest.raises(RolloutError, match="is paused already"):
        pause(database, paused, **BY)
    resume(database, paused, **BY)
    again = running(database, "clf")
    assert not again.paused
    with pytest.raises(RolloutError, match="is not paused"):
        resume(database, again, **BY)
