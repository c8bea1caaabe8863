"""Which version is champion: read by servers and commands, changed by people.

While a model has no alias, its newest version answers. From the first promotion or rollout on, the
alias decides, and a new version is a candidate.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from errors import RolloutError
from records.aliases import ANSWERED, alias, all_aliases, champion_before, set_champion
from records.database import Database
from records.decisions import lock, newest, past_champions
from records.glance import NEWEST
from records.number import read_number
from records.rollouts import active_rollout, active_rollouts, end
from records.routing import CHALLENGER, CHAMPION, Decision, Routing


def routings(database: Database, known: int = -1) -> tuple[int, dict[str, Routing] | None]:
    """The number of the last decision, and who answers for each model that has a champion: None
    unless something was decided since the ``known`` one.

    Twice a second by every worker, so that without a change one entry of an index is read.
    """
    if known >= 0 and read_number(database, NEWEST) == known:
        return known, None
    with database.reading() as connection:
        return newest(connection), _routings(connection)


def promote(
    database: Database,
    model: str,
    version: str,
    *,
    actor: str,
    because: str,
    answering: str | None,
    numbers: Mapping[str, Any] | None = None,
) -> Decision:
    """Make a version the champion.

    ``answering``: the version that answers where nobody has decided that yet; it is noted as the
    first champion, so that a rollback leads to it. Raises RolloutError if the version is champion
    already, or a rollout is going on.
    """
    with database.writing() as connection:
        lock(connection)
        running = active_rollout(connection, model)
        if running is not None:
            raise RolloutError(
                f"Rollout {running.id} of {model}:{running.challenger} is going on: promote its "
                f"challenger with python -m rollout promote {model}, or end it first with "
                f"python -m rollout abort {model}"
            )
        before = champion_before(connection, model, answering, actor)
        if before == version:
            raise RolloutError(f"{model}:{version} is the champion already.")
        return set_champion(
            connection,
            model,
            version,
            "promote",
            actor=actor,
            because=because,
            before=before,
            numbers=numbers,
        )


def keep(
    database: Database,
    model: str,
    answering: str,
    *,
    actor: str,
    because: str = ANSWERED,
    numbers: Mapping[str, Any] | None = None,
) -> str:
    """The champion: the version that answers, from now on whatever is saved after it.

    Before a newer version becomes visible that should be a candidate. Where somebody has decided
    already, nothing is done.
    """
    with database.writing() as connection:
        lock(connection)
        return champion_before(
            connection, model, answering, actor, because=because, numbers=numbers
        )


def rollback(
    database: Database,
    model: str,
    *,
    actor: str,
    because: str,
    known: Collection[str] | None = None,
) -> Decision:
    """Make the champion's predecessor the champion again, and end the rollout that is going on.

    ``known``: the versions that exist, where that is known. Raises RolloutError if the champion has
    no predecessor, or none that exists.
    """
    with database.writing() as connection:
        lock(connection)
        past = past_champions(connection, model)
        if len(past) < 2:
            reason = f"{model}:{past[0]} has no predecessor" if past else "it has no alias yet"
            raise RolloutError(f"Model {model!r} cannot be rolled back: {reason}.")
        if known is not None and past[-2] not in known:
            raise RolloutError(
                f"Model {model!r} cannot be rolled back: {model}:{past[-2]}, which was champion "
                "before, is not in the store; import it again, or promote another version."
            )
        running = active_rollout(connection, model)
        if running is not None:
            # What it compares its challenger with is the champion no more.
            end(connection, running, "abort", actor=actor, because="the champion was rolled back")
        return set_champion(
            connection, model, past[-2], "rollback", actor=actor, because=because, before=past[-1]
        )


def protected(database: Database, model: str) -> dict[str, str]:
    """Versions that must not be deleted, each with the reason."""
    with database.reading() as connection:
        past = past_champions(connection, model)
        named = {}
        if len(past) > 1:
            named[past[-2]] = "the version that a rollback would return to"
        for name in (CHALLENGER, CHAMPION):
            version = alias(connection, model, name)
            if version is not None:
                named[version] = f"the {name}"
        return named


def _routings(connection: Connection) -> dict[str, Routing]:
    running = active_rollouts(connection)
    return {
        model: Routing(model, named[CHAMPION], named.get(CHALLENGER), running.get(model))
        for model, named in all_aliases(connection).items()
        if CHAMPION in named
    }
