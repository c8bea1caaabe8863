"""One step of the guard: evidence, judgement, and what follows from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from errors import RolloutError
from records import rollouts
from records.database import Database
from records.pairs import counts, to_label
from records.requests import ask
from records.routing import Rollout
from rollout.evidence import gather
from rollout.guard import GuardDecision, judge
from rollout.rule import GuardRule
from settings import Settings

ACTOR: Final = "guard"

# Disagreements whose label is waited for at a time.
_ASKED: Final = 200


@dataclass(frozen=True)
class Step:
    """``asked``: images that were named as those to label next; ``late``: somebody else changed the
    rollout meanwhile, and nothing was done."""

    rollout: Rollout
    decision: GuardDecision
    asked: int = 0
    late: bool = False


def steps(database: Database, settings: Settings, model: str | None = None) -> Iterator[Step]:
    """A step of every rollout that is going on. Raises DatabaseError."""
    for rollout in rollouts.rollouts(database, model, active=True):
        yield step(database, rollout, settings)


def step(
    database: Database, rollout: Rollout, settings: Settings, now: datetime | None = None
) -> Step:
    """Judge a rollout and do what follows, once: of two guards that saw the same, one does it.

    A paused one is not judged. Raises DatabaseError.
    """
    if rollout.paused:
        return Step(rollout, _stays("it is paused"))
    decision = look(database, rollout, settings, now)
    try:
        _apply(database, rollout, decision)
    except RolloutError:
        return Step(rollout, decision, late=True)
    asked = 0
    if decision.what in ("stay", "next stage"):
        named = to_label(database, rollout.id, _ASKED - counts(database, rollout.id).asked)
        asked = ask(database, named, "rollout", rollout.id) if named else 0
    return Step(rollout, decision, asked)


def look(
    database: Database, rollout: Rollout, settings: Settings, now: datetime | None = None
) -> GuardDecision:
    """What a step would do. Raises DatabaseError."""
    try:
        rule = GuardRule.kept(rollout.rule, settings)
    except RolloutError as error:
        return _stays(str(error))
    return judge(gather(database, rollout, now or datetime.now(UTC)), rule)


def _stays(because: str) -> GuardDecision:
    return GuardDecision("stay", because, None, {})


def _apply(database: Database, rollout: Rollout, decision: GuardDecision) -> None:
    because, numbers = decision.because, decision.numbers
    match decision.what:
        case "next stage" if decision.share is not None:
            rollouts.move(
                database,
                rollout,
                "canary",
                decision.share,
                actor=ACTOR,
                because=because,
                numbers=numbers,
            )
        case "promote" | "roll back" | "give up":
            endings: dict[str, rollouts.Ending] = {
                "promote": "gain",
                "roll back": "harm",
                "give up": "abort",
            }
            ending = endings[decision.what]
            rollouts.finish(
                database, rollout, ending, actor=ACTOR, because=because, numbers=numbers
            )
