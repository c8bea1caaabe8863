"""The names under which versions answer, inside a transaction that decides something."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, overload

from sqlalchemy import Connection, delete, insert, select

from records.decisions import add_decision
from records.rollout_schema import aliases
from records.routing import CHAMPION, Action, Alias, Decision

ANSWERED: Final = "it was the version that answered"
"""Why a version is champion that nobody has decided on."""


def alias(connection: Connection, model: str, name: Alias) -> str | None:
    """The version that has the alias."""
    statement = select(aliases.c.version).where(aliases.c.model == model, aliases.c.alias == name)
    return connection.execute(statement).scalar_one_or_none()


def all_aliases(connection: Connection) -> dict[str, dict[Alias, str]]:
    """The versions by model and alias."""
    found: dict[str, dict[Alias, str]] = {}
    for row in connection.execute(select(aliases)):
        found.setdefault(row.model, {})[row.alias] = row.version
    return found


@overload
def champion_before(
    connection: Connection,
    model: str,
    answering: str,
    actor: str,
    *,
    because: str = ...,
    numbers: Mapping[str, Any] | None = ...,
) -> str: ...
@overload
def champion_before(
    connection: Connection, model: str, answering: str | None, actor: str
) -> str | None: ...
def champion_before(
    connection: Connection,
    model: str,
    answering: str | None,
    actor: str,
    *,
    because: str = ANSWERED,
    numbers: Mapping[str, Any] | None = None,
) -> str | None:
    """The champion; ``answering`` where nobody has decided that yet, which is noted from then on,
    so that a rollback leads to it."""
    champion = alias(connection, model, CHAMPION)
    if champion is not None or answering is None:
        return champion
    set_alias(connection, model, CHAMPION, answering)
    add_decision(
        connection,
        model,
        "found",
        actor=actor,
        because=because,
        after=answering,
        numbers=numbers,
    )
    return answering


def set_champion(
    connection: Connection,
    model: str,
    version: str,
    action: Action,
    *,
    actor: str,
    because: str,
    before: str | None,
    rollout_id: int | None = None,
    numbers: Mapping[str, Any] | None = None,
) -> Decision:
    """Another champion, and the decision that made it one."""
    set_alias(connection, model, CHAMPION, version)
    return add_decision(
        connection,
        model,
        action,
        actor=actor,
        because=because,
        before=before,
        after=version,
        rollout_id=rollout_id,
        numbers=numbers,
    )


def set_alias(connection: Connection, model: str, name: Alias, version: str | None) -> None:
    """None removes it."""
    which = (aliases.c.model == model) & (aliases.c.alias == name)
    connection.execute(delete(aliases).where(which))
    if version is not None:
        values = {"model": model, "alias": name, "version": version, "since": datetime.now(UTC)}
        connection.execute(insert(aliases).values(values))
