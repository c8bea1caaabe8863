"""What the gate judged, and by which numbers."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert, select

from records.database import Database
from records.rollout_schema import verdicts as table

Outcome = Literal["passed", "refused", "too few images"]


@dataclass(frozen=True)
class VerdictRow:
    """One judgement of a challenger; ``body`` is JSON. ``id`` is None until it is saved."""

    at: datetime
    model: str
    champion: str
    challenger: str
    outcome: Outcome
    body: str
    id: int | None = None


def save(database: Database, verdict: VerdictRow) -> VerdictRow:
    """Save a verdict; returns it with its id. Raises DatabaseError."""
    with database.writing() as connection:
        return add(connection, verdict)


def add(connection: Connection, verdict: VerdictRow) -> VerdictRow:
    """``save`` inside a transaction."""
    values = asdict(verdict)
    del values["id"]
    id_ = connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
    return VerdictRow(**values, id=id_)


def verdict(database: Database, id_: int) -> VerdictRow:
    with database.reading() as connection:
        row = connection.execute(select(table).where(table.c.id == id_)).mappings().one()
    return VerdictRow(**row)


def verdicts(
    database: Database, model: str, challenger: str | None = None, limit: int = 100
) -> list[VerdictRow]:
    """The newest first; of one challenger, or of all."""
    statement = select(table).where(table.c.model == model).order_by(table.c.id.desc())
    if challenger is not None:
        statement = statement.where(table.c.challenger == challenger)
    with database.reading() as connection:
        rows = connection.execute(statement.limit(limit)).mappings()
        return [VerdictRow(**row) for row in rows]
