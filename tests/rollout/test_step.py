"""The guard's steps, through the database."""

from datetime import timedelta

import pytest

from records.champions import routings
from records.database import Database
from records.decisions import history
from records.rollouts import pause, rollouts, running, start
from records.routing import Rollout
from records.workers import report
from rollout.evidence import gather
from rollout.guard import Change, Side
from rollout.step import step, steps
from settings import Settings
from tests.rollout.production import CHALLENGER, CHAMPION, begun, count, disagree, tell

SETTINGS = Settings()
PAIRS = {(*CHALLENGER, "pair", "same"): 190, (*CHALLENGER, "pair", "differ"): 10}


def champion_of(database: Database) -> str:
    known = routings(database)[1]
    assert known is not None
    return known["clf"].champion


def test_a_challenger_goes_all_the_way(database: Database) -> None:
    rollout = begun(database)
    assert step(database, rollout, SETTINGS).decision.because == "0 of 200 images were compared"
    count(database, PAIRS)
    ids = disagree(database, rollout, 30)
    assert step(database, rollout, SETTINGS).asked == 30
    tell(database, ids, 3)
    for share in (0.25, 0.5):
        count(database, {(*CHALLENGER, "trial", "answered"): 500})
        [taken] = steps(database, SETTINGS, "clf")
        assert (taken.decision.what, running(database, "clf").share) == ("next stage", share)
    [last] = steps(database, SETTINGS)
    assert last.decision.what == "promote"
    assert champion_of(database) == "b"
    [ended] = rollouts(database, "clf")
    assert (ended.stage, ended.active) == ("promoted", False)
    decision = history(database, "clf")[0]
    assert (decision.action, decision.actor, decision.before, decision.after) == (
        "gain", "guard", "a", "b",
    )  # fmt: skip
    assert decision.because.startswith("promoted: of 30 images where the two disagreed")
    assert decision.numbers["evidence"]["wins"] == 30
    assert list(steps(database, SETTINGS)) == []


def test_a_worse_one_is_rolled_back_by_the_labels_that_were_asked_for(database: Database) -> None:
    rollout = begun(database)
    ids = disagree(database, rollout, 12)
    assert step(database, rollout, SETTINGS).asked == 12
    tell(database, ids, 8)
    taken = step(database, rollout, SETTINGS)
    assert taken.decision.because == (
        "rolled back: of 12 images where the two disagreed, the champion was right on 12"
    )
    assert rollouts(database)[0].stage == "rolled back"
    assert champion_of(database) == "a"


def test_volunteered_labels_decide_nothing(database: Database) -> None:
    rollout = begun(database)
    tell(database, disagree(database, rollout, 50), 8)
    assert step(database, rollout, SETTINGS).decision.what == "stay"


def test_of_two_guards_one_decides(database: Database) -> None:
    rollout = begun(database)
    count(database, PAIRS)
    assert not step(database, rollout, SETTINGS).late
    assert step(database, rollout, SETTINGS).late
    assert [one.action for one in history(database, "clf")] == ["stage", "start", "found"]
    assert running(database, "clf").share == 0.05


def test_a_paused_rollout_is_not_judged(database: Database) -> None:
    pause(database, begun(database), actor="ann", because="tests")
    disagree(database, running(database, "clf"), 5)
    count(database, PAIRS)
    taken = step(database, running(database, "clf"), SETTINGS)
    assert (taken.decision.because, taken.asked) == ("it is paused", 0)


def test_a_stage_waits_for_a_worker_without_the_challenger(database: Database) -> None:
    rollout = begun(database)
    count(database, PAIRS)
    report(database, "one", 1, {"clf:a", "clf:b"})
    report(database, "two", 1, {"clf:a"})
    waits = "1 of 2 workers do not have the challenger yet"
    assert step(database, rollout, SETTINGS).decision.because == waits
    report(database, "two", 1, {"clf:a", "clf:b"})
    assert step(database, rollout, SETTINGS).decision.what == "next stage"


def test_trials_that_failed_roll_it_back(database: Database) -> None:
    rollout = begun(database)
    count(database, PAIRS | {(*CHAMPION, "status", "200"): 2000})
    step(database, rollout, SETTINGS)
    count(
        database,
        {
            (*CHALLENGER, "trial", "answered"): 95,
            (*CHALLENGER, "trial", "failed"): 5,
            (*CHAMPION, "status", "200"): 1900,
        },
    )
    taken = step(database, running(database, "clf"), SETTINGS)
    assert taken.decision.what == "roll back"
    assert "the challenger failed on 5 of 100 requests" in taken.decision.because


def test_evidence_of_a_shadow(database: Database) -> None:
    rollout = begun(database)
    failed = {(*CHALLENGER, "pair", "failed"): 3}
    changes = {(*CHALLENGER, "change", "8>3"): 7, (*CHALLENGER, "change", "1>7"): 3}
    answered = {(*CHAMPION, "status", "200"): 1000, (*CHAMPION, "status", "500"): 2}
    refused = {(*CHAMPION, "status", "400"): 9}
    count(database, PAIRS | failed | changes | answered | refused)
    seen = gather(database, rollout, rollout.started_at + timedelta(hours=12))
    assert (seen.pairs, seen.differing, seen.days, seen.minutes) == (200, 10, 0.5, 720)
    assert seen.changes == (Change("8", "3", 7), Change("1", "7", 3))
    assert seen.champion == Side(1002, failed=2)
    assert seen.challenger == Side(203, failed=3)


def test_slow_is_what_the_champion_rarely_is(database: Database) -> None:
    """Fixed before the stage began; what was late is not held against the champion."""
    earlier = {(*CHAMPION, "latency", "0.001"): 960, (*CHAMPION, "latency", "0.5"): 40}
    count(database, earlier, ago=timedelta(hours=1))
    begun(database)
    count(database, PAIRS)
    step(database, running(database, "clf"), SETTINGS)
    count(
        database,
        {
            (*CHALLENGER, "trial", "answered"): 45,
            (*CHALLENGER, "trial", "late"): 5,
            (*CHALLENGER, "latency", "0.0005"): 10,
            (*CHALLENGER, "latency", "0.025"): 35,
            (*CHAMPION, "latency", "0.001"): 990,
            (*CHAMPION, "latency", "0.5"): 15,
            (*CHAMPION, "status", "200"): 1005,
        },
    )
    rollout = running(database, "clf")
    seen = gather(database, rollout, rollout.stage_at)
    assert seen.usual == 0.001
    assert (seen.challenger.slow, seen.champion.slow) == (40, 10)
    taken = step(database, rollout, SETTINGS)
    assert taken.decision.because.startswith("rolled back: the challenger took longer than 1 ms")


def ruled(database: Database, rule: dict[str, object]) -> Rollout:
    return start(database, "clf", "b", actor="x", because="y", answering="a", shadow=1, rule=rule)


def test_a_rollout_without_a_rule_has_that_of_the_settings(database: Database) -> None:
    taken = step(database, ruled(database, {"mine": 1}), Settings(guard_pairs=7))
    assert taken.decision.because == "0 of 7 images were compared"


@pytest.mark.parametrize(
    ("name", "value"),
    [("alpha", "much"), ("alpha", 0), ("pairs", -1), ("days", None), ("gated", 7)],
)
def test_a_rule_that_is_none_decides_nothing(database: Database, name: str, value: object) -> None:
    rollout = ruled(database, {name: value})
    count(database, PAIRS)
    taken = step(database, rollout, SETTINGS)
    assert taken.decision.what == "stay"
    assert f"its rule cannot be used, since {name} is {value!r}" in taken.decision.because
