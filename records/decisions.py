"""Every change of an alias or a rollout: who, when, why and from what."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, event, insert, select, text

from logs.lines import fields
from records.database import Database
from records.glance import NEWEST
from records.number import number
from records.rollout_schema import decisions
from records.routing import Action, Decision

logger = logging.getLogger("pupila.records")


def lock(connection: Connection) -> None:
    """Let the transactions that decide something run one after the other.

    Otherwise PostgreSQL may commit a decision after one with a higher number, which servers that
    look at the highest alone would never see. SQLite has one writer anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('pupila.rollouts'))"))


def add_decision(
    connection: Connection,
    model: str,
    action: Action,
    *,
    actor: str,
    because: str,
    before: str | None = None,
    after: str | None = None,
    rollout_id: int | None = None,
    numbers: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> Decision:
    """Inside the transaction that does it, after ``lock``."""
    values: dict[str, Any] = {
        "at": at or datetime.now(UTC),
        "model": model,
        "action": action,
        "actor": actor,
        "because": because,
        "before": before,
        "after": after,
        "rollout_id": rollout_id,
        "numbers": json.dumps(dict(numbers or {})),
    }
    id_ = connection.execute(
        insert(decisions).values(values).returning(decisions.c.id)
    ).scalar_one()
    about = fields(
        model=model, action=action, actor=actor, because=because, before=before, after=after
    )

    @event.listens_for(connection, "commit", once=True)
    def _committed(_: Connection) -> None:
        logger.info("a decision was made", extra=about)

    return Decision(**values | {"id": id_, "numbers": dict(numbers or {})})


def newest(connection: Connection) -> int:
    """The number of the last decision; 0 where nobody has decided anything."""
    return number(connection, NEWEST)


def history(
    database: Database,
    model: str | None = None,
    rollout_id: int | None = None,
    limit: int | None = None,
) -> list[Decision]:
    """The decisions, newest first: of a model or a rollout, or all."""
    statement = select(decisions).order_by(decisions.c.id.desc()).limit(limit)
    if model is not None:
        statement = statement.where(decisions.c.model == model)
    if rollout_id is not None:
        statement = statement.where(decisions.c.rollout_id == rollout_id)
    with database.reading() as connection:
        return [decision_of(row) for row in connection.execute(statement)]


def past_champions(connection: Connection, model: str) -> list[str]:
    """Those that no rollback has taken back, oldest first; the last one is the champion."""
    statement = (
        select(decisions.c.action, decisions.c.after)
        .where(decisions.c.model == model, decisions.c.after.is_not(None))
        .order_by(decisions.c.id)
    )
    past: list[str] = []
    for action, after in connection.execute(statement):
        if action == "rollback":
            past.pop()
        else:
            past.append(after)
    return past


def decision_of(row: Row[Any]) -> Decision:
    """A row of the table, whatever else there is in it."""
    return Decision(
        row.id,
        row.at,
        row.model,
        row.action,
        row.actor,
        row.because,
        row.before,
        row.after,
        row.rollout_id,
        json.loads(row.numbers),
    )
