"""Retrainings: what set each off, how far it came, and what came of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, insert, select, update

from errors import RolloutError
from records import verdicts
from records.database import Database
from records.rollout_schema import retrainings as table
from records.verdicts import VerdictRow

Trigger = Literal["accuracy", "labels", "age", "asked"]
State = Literal["training", "trained", "judged", "rolling out", "done", "refused", "failed"]
"""``training`` until the version is saved, ``trained`` until the gate has judged it, ``judged``
until its rollout has begun, ``rolling out`` until that has ended, which is ``done``; ``refused`` by
the gate; ``failed``: no version came of it."""

ENDED: Final[frozenset[State]] = frozenset({"done", "refused", "failed"})


@dataclass(frozen=True)
class Retraining:
    id: int
    model: str
    trigger: Trigger
    reason: str
    state: State
    detail: str
    champion: str
    challenger: str | None
    verdict_id: int | None
    rollout_id: int | None
    started_at: datetime
    ended_at: datetime | None


def begin(
    database: Database, model: str, trigger: Trigger, reason: str, champion: str
) -> Retraining:
    """Note that one begins. Raises RolloutError while another of the model has not ended."""
    values: dict[str, Any] = {
        "model": model,
        "trigger": trigger,
        "reason": reason,
        "state": "training",
        "detail": "",
        "champion": champion,
        "started_at": datetime.now(UTC),
    }
    going_on = select(table).where(table.c.model == model, table.c.ended_at.is_(None))
    with database.writing() as connection:
        other = connection.execute(going_on.limit(1)).one_or_none()
        if other is not None:
            raise RolloutError(
                f"Retraining {other.id} of {model} has not ended: it is {other.state}."
            )
        row = connection.execute(insert(table).values(values).returning(table)).one()
        return retraining_of(row)


def advance(database: Database, id_: int, state: State, **fields: Any) -> Retraining:
    """Note how far it came; ``fields``: ``detail``, ``challenger``, ``verdict_id``,
    ``rollout_id``."""
    with database.writing() as connection:
        return note(connection, id_, state, **fields)


def note(connection: Connection, id_: int, state: State, **fields: Any) -> Retraining:
    """``advance`` inside a transaction: with whatever else is true from then on."""
    values = fields | {"state": state}
    if state in ENDED:
        values["ended_at"] = datetime.now(UTC)
    statement = update(table).where(table.c.id == id_).values(values).returning(table)
    return retraining_of(connection.execute(statement).one())


def judged(database: Database, id_: int, verdict: VerdictRow, because: str) -> VerdictRow:
    """Save the gate's verdict on its version, and end it if that is refused: both or nothing."""
    state: State = "refused" if verdict.outcome == "refused" else "judged"
    with database.writing() as connection:
        saved = verdicts.add(connection, verdict)
        note(connection, id_, state, verdict_id=saved.id, detail=because)
    return saved


def unfinished(database: Database, model: str) -> Retraining | None:
    """The one of a model that has not ended; there is one at most."""
    return next(iter(retrainings(database, model, open_only=True, limit=1)), None)


def retraining(database: Database, id_: int) -> Retraining:
    with database.reading() as connection:
        return retraining_of(connection.execute(select(table).where(table.c.id == id_)).one())


def retrainings(
    database: Database, model: str | None = None, *, open_only: bool = False, limit: int = 100
) -> list[Retraining]:
    """The newest first; ``open_only``: only those that have not ended."""
    statement = select(table).order_by(table.c.id.desc()).limit(limit)
    if model is not None:
        statement = statement.where(table.c.model == model)
    if open_only:
        statement = statement.where(table.c.ended_at.is_(None))
    with database.reading() as connection:
        return [retraining_of(row) for row in connection.execute(statement)]


def retraining_of(row: Row[Any]) -> Retraining:
    """A row of the table."""
    return Retraining(**row._mapping)
