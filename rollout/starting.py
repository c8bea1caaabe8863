"""Begins a rollout: the contract of the two versions, the gate, and the rule that is kept."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from errors import RolloutError
from labels import label_key
from models.store import Store
from models.version import Version
from records import rollouts, verdicts
from records.database import Database
from records.routing import Rollout
from records.verdicts import VerdictRow
from rollout.answering import answering
from rollout.gate import gate, rule_of
from rollout.rule import SHADOW, GuardRule
from rollout.verdict import GateVerdict
from settings import Settings

logger = logging.getLogger("pupila.rollout")


@dataclass(frozen=True)
class Started:
    rollout: Rollout
    verdict: GateVerdict


def contract_faults(champion: Version, challenger: Version) -> list[str]:
    """What clients would notice of the challenger, apart from its answers."""
    old, new = champion.manifest, challenger.manifest
    faults = []
    labels = [set(map(label_key, manifest.labels)) for manifest in (old, new)]
    if labels[0] != labels[1]:
        gone = sorted(str(label) for _, label in labels[0] - labels[1])
        added = sorted(str(label) for _, label in labels[1] - labels[0])
        parts = [f"lacks {', '.join(gone)}"] if gone else []
        parts += [f"adds {', '.join(added)}"] if added else []
        faults.append(f"its labels differ: it {' and '.join(parts)}")
    if not new.image_spec.reads_as(old.image_spec):
        faults.append(
            f"its images are {new.image_spec.name} instead of {old.image_spec.name}, or made in "
            "another way"
        )
    if old.gives_probabilities and not new.gives_probabilities:
        faults.append("it gives scores instead of probabilities")
    return faults


def judge(
    database: Database,
    store: Store,
    champion: Version,
    challenger: Version,
    settings: Settings,
    save: Callable[[Database, VerdictRow, str], VerdictRow] | None = None,
) -> tuple[GateVerdict, VerdictRow]:
    """The gate's verdict, and the row that keeps it; MLflow gets it too, where there is one.

    ``save``: keeps the row, with a sentence, together with something else.

    Raises ModelError and DatabaseError.
    """
    verdict = gate(champion, challenger, rule_of(settings), database, store)
    row = verdict.row()
    row = save(database, row, verdict.because) if save else verdicts.save(database, row)
    if settings.mlflow_tracking_uri:
        from rollout.tracking import track

        try:
            track(settings.mlflow_tracking_uri, verdict, settings.mlflow_authorization)
        except RolloutError as error:
            # It is kept here all the same.
            logger.warning("%s", error)
    return verdict, row


def begin(
    database: Database,
    store: Store,
    tag: str,
    settings: Settings,
    *,
    actor: str,
    because: str,
    shadow: float = SHADOW,
    anyway: bool = False,
) -> Started:
    """Judge a version by the gate, and begin its rollout with the shadow.

    Raises RolloutError if it is the champion, breaks the contract or is refused by the gate; the
    last two not with ``anyway``. One that the gate did not pass needs labels before its canary.
    """
    challenger = store.get(tag)
    champion = answering(database, store, challenger.name)
    if champion.version == challenger.version:
        raise RolloutError(
            f"{challenger.tag} answers already: roll out another version, or first make an older "
            "one the champion with: python -m models promote"
        )
    going_on = rollouts.rollouts(database, challenger.name, active=True, limit=1)
    if going_on:
        raise rollouts.going_on(going_on[0])
    faults = contract_faults(champion, challenger)
    if faults and not anyway:
        raise RolloutError(
            f"{challenger.tag} cannot replace {champion.tag}: {'; '.join(faults)}. If clients "
            "expect that, add --anyway."
        )
    verdict, row = judge(database, store, champion, challenger, settings)
    if verdict.outcome == "refused" and not anyway:
        raise RolloutError(
            f"The gate refused {challenger.tag}: {verdict.because.partition(': ')[2]}. See all of "
            f"it with: python -m rollout verdict {challenger.name}; to roll it out all the same, "
            "add --anyway."
        )
    rollout = start(database, row, settings, actor=actor, because=because, shadow=shadow)
    return Started(rollout, verdict)


def start(
    database: Database,
    verdict: VerdictRow,
    settings: Settings,
    *,
    actor: str,
    because: str,
    shadow: float = SHADOW,
    retraining: int | None = None,
) -> Rollout:
    """Begin the rollout of a version that was judged; ``retraining``: that made it, if one did.
    Raises RolloutError."""
    rule = GuardRule.of(settings, gated=verdict.outcome == "passed").as_dict()
    return rollouts.start(
        database,
        verdict.model,
        verdict.challenger,
        actor=actor,
        because=because,
        answering=verdict.champion,
        shadow=shadow,
        rule=rule | {"verdict": verdict.id, "gate": verdict.outcome},
        retraining=retraining,
    )
