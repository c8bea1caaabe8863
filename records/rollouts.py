"""Rollouts: begun, moved on and ended, each step in one transaction with its decision."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from errors import RolloutError
from records.aliases import champion_before, set_alias, set_champion
from records.database import Database
from records.decisions import add_decision, lock
from records.retrainings import note
from records.rollout_schema import rollouts as table
from records.routing import CHALLENGER, Action, Decision, Rollout, Stage

Ending = Literal["gain", "harm", "abort"]
_STAGES: Mapping[Ending, Stage] = {"gain": "promoted", "harm": "rolled back", "abort": "aborted"}


def start(
    database: Database,
    model: str,
    challenger: str,
    *,
    actor: str,
    because: str,
    answering: str,
    shadow: float,
    rule: Mapping[str, Any],
    retraining: int | None = None,
) -> Rollout:
    """Begin with the shadow. ``answering``: the champion that the challenger was judged against, as
    in ``records.champions.promote``; ``retraining``: that made it, and is rolling out from then on.

    Raises RolloutError if another rollout of the model is going on, or the challenger is champion.
    """
    now = datetime.now(UTC)
    with database.writing() as connection:
        lock(connection)
        running = active_rollout(connection, model)
        if running is not None:
            raise going_on(running)
        champion = champion_before(connection, model, answering, actor)
        if champion == challenger:
            raise RolloutError(
                f"{model}:{challenger} is the champion: roll out a version that is not."
            )
        if champion != answering:
            raise RolloutError(
                f"{model}:{champion} has become the champion meanwhile: compare with that first."
            )
        set_alias(connection, model, CHALLENGER, challenger)
        values: dict[str, Any] = {
            "model": model,
            "champion": champion,
            "challenger": challenger,
            "stage": "shadow",
            "share": 0.0,
            "shadow": shadow,
            "paused": False,
            "started_at": now,
            "stage_at": now,
        }
        id_ = connection.execute(
            insert(table).values(values | {"rule": json.dumps(dict(rule))}).returning(table.c.id)
        ).scalar_one()
        add_decision(
            connection, model, "start", actor=actor, because=because, rollout_id=id_, at=now
        )
        if retraining is not None:
            note(connection, retraining, "rolling out", rollout_id=id_)
        return Rollout(id=id_, rule=dict(rule), **values)


def going_on(running: Rollout) -> RolloutError:
    """The error of whoever would begin another one."""
    return RolloutError(
        f"Rollout {running.id} of {running.model}:{running.challenger} is going on: wait for its "
        f"end, or end it with: python -m rollout abort {running.model}"
    )


def move(
    database: Database,
    seen: Rollout,
    stage: Literal["shadow", "canary"],
    share: float,
    *,
    actor: str,
    because: str,
    numbers: Mapping[str, Any] | None = None,
) -> Decision:
    """Another stage or share; the decision's numbers have both, besides the ``numbers``.

    Raises RolloutError if the rollout is no longer as it was ``seen``, so that of two who decide on
    the same numbers one does it.
    """
    now = datetime.now(UTC)
    return _change(
        database,
        seen,
        "stage",
        {"stage": stage, "share": share, "stage_at": now},
        actor=actor,
        because=because,
        numbers={**(numbers or {}), "stage": stage, "share": share},
    )


def pause(database: Database, seen: Rollout, *, actor: str, because: str) -> Decision:
    """The champion answers all, and nothing is decided until ``resume``."""
    if seen.paused:
        raise RolloutError(f"Rollout {seen.id} of {seen.model} is paused already.")
    return _change(database, seen, "pause", {"paused": True}, actor=actor, because=because)


def resume(database: Database, seen: Rollout, *, actor: str, because: str) -> Decision:
    if not seen.paused:
        raise RolloutError(f"Rollout {seen.id} of {seen.model} is not paused.")
    return _change(database, seen, "resume", {"paused": False}, actor=actor, because=because)


def finish(
    database: Database,
    seen: Rollout,
    ending: Ending,
    *,
    actor: str,
    because: str,
    numbers: Mapping[str, Any] | None = None,
) -> Decision:
    """Promote the challenger (``gain``), or let it go. Raises RolloutError as ``move`` does."""
    with database.writing() as connection:
        lock(connection)
        _check(connection, seen)
        return end(connection, seen, ending, actor=actor, because=because, numbers=numbers)


def end(
    connection: Connection,
    rollout: Rollout,
    ending: Ending,
    *,
    actor: str,
    because: str,
    numbers: Mapping[str, Any] | None = None,
) -> Decision:
    """``finish`` inside a transaction, after ``lock``."""
    share = 1.0 if ending == "gain" else 0.0
    now = datetime.now(UTC)
    values = {"stage": _STAGES[ending], "share": share, "paused": False, "stage_at": now}
    connection.execute(
        update(table).where(table.c.id == rollout.id).values(values | {"ended_at": now})
    )
    set_alias(connection, rollout.model, CHALLENGER, None)
    if ending == "gain":
        return set_champion(
            connection,
            rollout.model,
            rollout.challenger,
            "gain",
            actor=actor,
            because=because,
            before=rollout.champion,
            rollout_id=rollout.id,
            numbers=numbers,
        )
    return add_decision(
        connection,
        rollout.model,
        ending,
        actor=actor,
        because=because,
        rollout_id=rollout.id,
        numbers=numbers,
    )


def rollouts(
    database: Database, model: str | None = None, *, active: bool = False, limit: int | None = None
) -> list[Rollout]:
    """Newest first; ``active``: only those that are going on."""
    statement = select(table).order_by(table.c.id.desc()).limit(limit)
    if model is not None:
        statement = statement.where(table.c.model == model)
    if active:
        statement = statement.where(table.c.ended_at.is_(None))
    with database.reading() as connection:
        return [_rollout(row) for row in connection.execute(statement)]


def rollout(database: Database, id_: int) -> Rollout | None:
    with database.reading() as connection:
        row = connection.execute(select(table).where(table.c.id == id_)).one_or_none()
    return None if row is None else _rollout(row)


def running(database: Database, model: str) -> Rollout:
    """The one that is going on. Raises RolloutError if there is none."""
    found = rollouts(database, model, active=True, limit=1)
    if not found:
        raise RolloutError(
            f"No rollout of model {model!r} is going on; begin one with: python -m rollout start"
        )
    return found[0]


def active_rollout(connection: Connection, model: str) -> Rollout | None:
    statement = select(table).where(table.c.model == model, table.c.ended_at.is_(None))
    row = connection.execute(statement).one_or_none()
    return None if row is None else _rollout(row)


def active_rollouts(connection: Connection) -> dict[str, Rollout]:
    """Those that are going on, by model."""
    rows = connection.execute(select(table).where(table.c.ended_at.is_(None)))
    return {row.model: _rollout(row) for row in rows}


def _change(
    database: Database,
    seen: Rollout,
    action: Action,
    values: Mapping[str, Any],
    *,
    actor: str,
    because: str,
    numbers: Mapping[str, Any] | None = None,
) -> Decision:
    with database.writing() as connection:
        lock(connection)
        _check(connection, seen)
        connection.execute(update(table).where(table.c.id == seen.id).values(dict(values)))
        return add_decision(
            connection,
            seen.model,
            action,
            actor=actor,
            because=because,
            rollout_id=seen.id,
            numbers=numbers,
        )


def _check(connection: Connection, seen: Rollout) -> None:
    row = connection.execute(select(table).where(table.c.id == seen.id)).one_or_none()
    if row is None or _rollout(row) != seen:
        raise RolloutError(
            f"Rollout {seen.id} of {seen.model} was changed by somebody else; see: "
            f"python -m rollout status {seen.model}"
        )


def _rollout(row: Row[Any]) -> Rollout:
    return Rollout(
        id=row.id,
        model=row.model,
        champion=row.champion,
        challenger=row.challenger,
        stage=row.stage,
        share=row.share,
        shadow=row.shadow,
        paused=row.paused,
        started_at=row.started_at,
        stage_at=row.stage_at,
        ended_at=row.ended_at,
        rule=json.loads(row.rule),
    )
