"""The loop as a whole, whenever it is killed."""

from datetime import UTC, datetime
from typing import get_args

from records.champions import routings
from records.decisions import history
from records.leases import holder
from records.retrainings import State, retrainings
from records.rollouts import rollouts
from records.routing import Stage
from records.verdicts import verdicts
from rollout.rule import SHARES
from tests.pipeline.conftest import Place
from tests.pipeline.lives import Life, next_life

KILLED = -9


def test_killed_before_each_commit_it_ends_as_if_nobody_had_killed_it(place: Place) -> None:
    # Each life commits once, and is killed when it would a second time: after all that it does in
    # between, such as saving a version.
    place.serve(*place.some(0, 60), drawn="random")
    url = place.database.url.render_as_string(hide_password=False)
    assert place.store.given is not None
    lives: list[Life] = []
    while not lives or lives[-1].exit == KILLED:
        lives.append(next_life(url, place.store.given, commits=1))
        assert len(lives) < 40, lives
    assert lives[-1].exit == 0

    states: set[State] = set(get_args(State)) - {"refused", "failed"}
    assert {life.retraining for life in lives} >= states
    stages: set[Stage] = {"shadow", "canary", "promoted"}
    assert {life.stage for life in lives} >= stages
    assert {life.share for life in lives} >= {0.0, *SHARES, 1.0}

    [one] = retrainings(place.database)
    assert (one.state, one.trigger) == ("done", "age")
    assert one.detail.startswith("promoted: of 12 images")
    [begun] = rollouts(place.database)
    assert (begun.stage, one.rollout_id) == ("promoted", begun.id)
    [verdict] = verdicts(place.database, "clf")
    assert one.verdict_id == verdict.id
    versions = [version.version for version in place.store.versions("clf")]
    assert sorted(versions) == sorted([place.champion.version, begun.challenger])
    found = routings(place.database)[1]
    assert found is not None
    assert (found["clf"].champion, found["clf"].challenger) == (begun.challenger, None)
    actions = [decision.action for decision in reversed(history(place.database))]
    assert actions == ["found", "start", *["stage"] * len(SHARES), "gain"]
    held = holder(place.database, "retraining clf")
    assert held is None or held[1] < datetime.now(UTC)
