"""What an operator's request changes about a rollout, in the database.

Each says whether it changed anything: asked again for what is so already, it does not. Errors that
they raise are those of ``records.rollouts``.
"""

from typing import TYPE_CHECKING, Any

from errors import RolloutError
from records.routing import Rollout
from serving.http.rollout_schema import RolloutChange, RolloutStart

if TYPE_CHECKING:
    from records.database import Database


def start(
    database: "Database", asked: RolloutStart, challenger: str, answering: str, actor: str
) -> tuple[Rollout, bool]:
    from records.rollouts import rollouts, start
    from records.workers import alive

    going_on = rollouts(database, asked.model, active=True, limit=1)
    if going_on and going_on[0].challenger == challenger:
        return going_on[0], False
    tag = f"{asked.model}:{challenger}"
    lacking = [worker.id for worker in alive(database) if tag not in worker.versions]
    if lacking:
        raise RolloutError(
            f"{len(lacking)} of the workers that are alive do not have {tag} or cannot load it, "
            f"such as {lacking[0]}: copy it to their store first, and see their log."
        )
    begun = start(
        database,
        asked.model,
        challenger,
        actor=actor,
        because=asked.because,
        answering=answering,
        shadow=asked.shadow,
        rule=asked.rule,
    )
    return begun, True


def pause(database: "Database", asked: RolloutChange, actor: str) -> tuple[Rollout, bool]:
    from records.rollouts import pause, running

    seen = running(database, asked.model)
    if seen.paused:
        return seen, False
    pause(database, seen, actor=actor, because=asked.because)
    return running(database, asked.model), True


def resume(database: "Database", asked: RolloutChange, actor: str) -> tuple[Rollout, bool]:
    from records.rollouts import resume, running

    seen = running(database, asked.model)
    if not seen.paused:
        return seen, False
    resume(database, seen, actor=actor, because=asked.because)
    return running(database, asked.model), True


def promote(database: "Database", asked: RolloutChange, actor: str) -> tuple[Rollout, bool]:
    return _end(database, asked, actor, "gain", "promoted")


def abort(database: "Database", asked: RolloutChange, actor: str) -> tuple[Rollout, bool]:
    return _end(database, asked, actor, "abort", "aborted")


def _end(
    database: "Database", asked: RolloutChange, actor: str, ending: Any, stage: str
) -> tuple[Rollout, bool]:
    from records.rollouts import finish, rollouts, running

    newest = rollouts(database, asked.model, limit=1)
    if newest and not newest[0].active and newest[0].stage == stage:
        return newest[0], False
    finish(database, running(database, asked.model), ending, actor=actor, because=asked.because)
    return rollouts(database, asked.model, limit=1)[0], True
