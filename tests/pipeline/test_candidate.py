"""What becomes of a retraining's version, one step at a time."""

from pathlib import Path
from typing import Any

import pytest

from errors import RolloutError
from models.store import Store
from models.version import Version
from pipeline.candidate import Step, step
from records import rollouts
from records.champions import promote, rollback
from records.database import Database
from records.decisions import history
from records.retrainings import Retraining, advance, begin, retrainings
from records.verdicts import verdicts
from rollout.starting import begin as begin_rollout
from settings import Settings
from tests.drafts import LinearDraft
from tests.rollout.versions import LETTERS, Held, NearDraft

SETTINGS = Settings(gate_slower=1e6)
WHO: dict[str, Any] = {"actor": "ann", "because": "she likes it"}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def store(kept: Path) -> Store:
    return Store(kept)


@pytest.fixture(scope="module")
def champion(store: Store) -> Version:
    return store.save(Held(LinearDraft()))


@pytest.fixture(scope="module")
def twin(store: Store, champion: Version) -> Version:
    return store.save(NearDraft(noise=0.0001))


def trained(database: Database, champion: Version, challenger: Version) -> Retraining:
    """A retraining that has a version."""
    promote(database, "clf", champion.version, answering=None, **WHO)
    one = begin(database, "clf", "labels", "200 new labels", champion.version)
    return advance(database, one.id, "trained", challenger=challenger.version)


def next_step(database: Database, store: Store) -> Step:
    [one] = retrainings(database, open_only=True)
    return step(database, store, one, SETTINGS)


def test_it_is_judged_then_rolled_out_then_champion(
    database: Database, store: Store, champion: Version, twin: Version
) -> None:
    one = trained(database, champion, twin)
    judged = next_step(database, store)
    assert (judged.retraining.state, judged.moved, judged.ended) == ("judged", True, False)
    [verdict] = verdicts(database, "clf")
    assert (judged.retraining.verdict_id, verdict.outcome) == (verdict.id, "passed")

    begun = next_step(database, store)
    assert begun.retraining.state == "rolling out"
    rollout = rollouts.running(database, "clf")
    assert (begun.retraining.rollout_id, rollout.challenger) == (rollout.id, twin.version)
    assert rollout.rule["gated"] is True
    assert history(database)[0].because == f"retraining {one.id}, since 200 new labels"

    waits = next_step(database, store)
    assert (waits.moved, waits.because) == (False, f"rollout {rollout.id} goes on in the shadow")
    rollouts.finish(database, rollout, "gain", actor="guard", because="promoted: it is better")
    done = next_step(database, store)
    assert (done.retraining.state, done.because) == ("done", "promoted: it is better")
    assert done.ended


def test_one_that_the_gate_refuses_answers_nobody(
    database: Database, store: Store, champion: Version
) -> None:
    trained(database, champion, store.save(LinearDraft(seed=5)))
    refused = next_step(database, store)
    assert refused.retraining.state == "refused"
    assert refused.because.startswith("refused: on 400 images of the champion's holdout")
    assert refused.retraining.detail == refused.because
    assert rollouts.rollouts(database) == []


def test_one_with_other_labels_is_left_to_a_person(database: Database, store: Store) -> None:
    old = store.save(Held(LinearDraft(labels=LETTERS)))
    new = store.save(Held(LinearDraft(labels=(*LETTERS[:9], "z"))))
    trained(database, old, new)
    refused = next_step(database, store)
    assert refused.retraining.state == "refused"
    assert "its labels differ: it lacks j and adds z" in refused.because
    assert f"python -m rollout start {new.tag} --anyway" in refused.because


def test_one_whose_version_was_deleted_is_refused(
    database: Database, store: Store, champion: Version
) -> None:
    gone = store.save(LinearDraft())
    store.delete(gone)
    trained(database, champion, gone)
    assert next_step(database, store).because == "its version was deleted"


def test_one_of_a_champion_that_answers_no_more_is_refused(
    database: Database, store: Store, champion: Version, twin: Version
) -> None:
    trained(database, champion, twin)
    other = store.save(LinearDraft())
    promote(database, "clf", other.version, answering=None, **WHO)
    step = next_step(database, store)
    assert step.retraining.state == "refused"
    assert step.because == f"{other.tag} has become the champion since it began"


def test_one_that_somebody_promoted_is_done(
    database: Database, store: Store, champion: Version, twin: Version
) -> None:
    trained(database, champion, twin)
    promote(database, "clf", twin.version, answering=None, **WHO)
    assert next_step(database, store).retraining.state == "done"


def test_a_rollout_that_somebody_began_of_it_is_followed(
    database: Database, store: Store, champion: Version, twin: Version
) -> None:
    trained(database, champion, twin)
    started = begin_rollout(database, store, twin.tag, SETTINGS, **WHO)
    followed = next_step(database, store)
    assert (followed.retraining.state, followed.retraining.rollout_id) == (
        "rolling out",
        started.rollout.id,
    )
    rollouts.finish(database, started.rollout, "abort", **WHO)
    assert next_step(database, store).because == "aborted: she likes it"


def test_it_waits_for_the_rollout_of_another(
    database: Database, store: Store, champion: Version, twin: Version
) -> None:
    trained(database, champion, twin)
    next_step(database, store)
    other = store.save(NearDraft(noise=0.0002))
    going_on = begin_rollout(database, store, other.tag, SETTINGS, **WHO).rollout
    waits = next_step(database, store)
    assert not waits.moved
    assert waits.because == f"rollout {going_on.id} of {other.tag} is going on"
    rollouts.finish(database, going_on, "abort", **WHO)
    assert next_step(database, store).retraining.state == "rolling out"


def test_a_rollout_against_a_champion_that_was_not_judged_does_not_begin(
    database: Database, champion: Version, twin: Version
) -> None:
    promote(database, "clf", twin.version, answering=champion.version, **WHO)
    with pytest.raises(RolloutError, match="has become the champion"):
        rollouts.start(
            database, "clf", "other", answering=champion.version, shadow=0.1, rule={}, **WHO
        )
    assert rollback(database, "clf", **WHO).after == champion.version
