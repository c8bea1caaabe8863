"""What becomes of a retraining's version: it is judged, rolled out, and champion or not.

One step at a time. Each is one transaction that changes the retraining together with whatever else
is true from then on, so that whoever is killed in between leaves no half of it behind.
"""

from dataclasses import dataclass
from typing import Final

from errors import ModelError, UnknownVersionError
from models.store import Store
from models.version import Version
from pipeline.publishing import publish
from records import retrainings, verdicts
from records.database import Database
from records.decisions import history
from records.retrainings import ENDED, Retraining, State, advance
from records.rollouts import rollout, rollouts
from records.verdicts import VerdictRow
from rollout.answering import answering
from rollout.starting import contract_faults, judge, start
from settings import Settings

ACTOR: Final = "pipeline"


@dataclass(frozen=True)
class Step:
    """``moved``: whether the retraining is in another state than before."""

    retraining: Retraining
    because: str
    moved: bool = True

    @property
    def ended(self) -> bool:
        return self.retraining.state in ENDED


def step(database: Database, store: Store, one: Retraining, settings: Settings) -> Step:
    """Bring a retraining that has a version one state further, if it can be.

    For whoever has the lease of the model's retrainings. Raises UnknownVersionError if the champion
    is not in this store, RolloutError if somebody has decided something else meanwhile,
    PipelineError if the version cannot be published, and DatabaseError; after all of them it can be
    run again.
    """
    if one.state == "rolling out":
        return _ended(database, one)
    champion = answering(database, store, one.model)
    if champion.version == one.challenger:
        return _noted(database, one, "done", "it was made the champion")
    for other in rollouts(database, one.model):
        if other.challenger == one.challenger and other.started_at >= one.started_at:
            moved = advance(database, one.id, "rolling out", rollout_id=other.id)
            return Step(moved, f"somebody has begun rollout {other.id} of it")
    if champion.version != one.champion:
        text = f"{champion.tag} has become the champion since it began"
        return _noted(database, one, "refused", text)
    if one.state == "trained":
        return _judged(database, store, champion, one, settings)
    return _begun(database, one, settings)


def _judged(
    database: Database, store: Store, champion: Version, one: Retraining, settings: Settings
) -> Step:
    try:
        challenger = store.get(f"{one.model}:{one.challenger}")
        faults = contract_faults(champion, challenger)
        if faults:
            text = (
                f"it cannot replace {champion.tag}: {'; '.join(faults)}. If clients expect that: "
                f"python -m rollout start {challenger.tag} --anyway"
            )
            return _noted(database, one, "refused", text)

        def save(opened: Database, row: VerdictRow, because: str) -> VerdictRow:
            return retrainings.judged(opened, one.id, row, because)

        verdict, _ = judge(database, store, champion, challenger, settings, save)
    except UnknownVersionError:
        return _noted(database, one, "refused", "its version was deleted")
    except ModelError as error:
        return _noted(database, one, "refused", f"its version cannot be used: {error}")
    return Step(retrainings.retraining(database, one.id), verdict.because)


def _begun(database: Database, one: Retraining, settings: Settings) -> Step:
    """A challenger that the gate could not tell from the champion is tried as well: in the shadow,
    until labels of disagreements have told."""
    going_on = rollouts(database, one.model, active=True, limit=1)
    if going_on:
        text = f"rollout {going_on[0].id} of {one.model}:{going_on[0].challenger} is going on"
        return Step(one, text, moved=False)
    assert one.verdict_id is not None  # noqa: S101 - noted with its state
    if settings.publish is not None:
        publish(settings.publish, f"{one.model}:{one.challenger}")
    begun = start(
        database,
        verdicts.verdict(database, one.verdict_id),
        settings,
        actor=ACTOR,
        because=f"retraining {one.id}, since {one.reason}",
        retraining=one.id,
    )
    text = f"rollout {begun.id} has begun, in the shadow"
    return Step(retrainings.retraining(database, one.id), text)


def _ended(database: Database, one: Retraining) -> Step:
    found = None if one.rollout_id is None else rollout(database, one.rollout_id)
    if found is None:
        return _noted(database, one, "failed", "its rollout is not in the database")
    if found.active:
        share = f"with {found.share:.0%} of the requests" if found.share else "in the shadow"
        paused = ", and is paused" if found.paused else ""
        return Step(one, f"rollout {found.id} goes on {share}{paused}", moved=False)
    last = history(database, rollout_id=found.id, limit=1)[0]
    # The guard's sentences begin with it.
    prefix = "" if last.because.startswith(found.stage) else f"{found.stage}: "
    return _noted(database, one, "done", prefix + last.because)


def _noted(database: Database, one: Retraining, state: State, because: str) -> Step:
    return Step(advance(database, one.id, state, detail=because), because)
