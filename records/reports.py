"""Reports of the monitor, for showing them and comparing them with later ones."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Select, func, insert, select

from records.database import Database
from records.schema import reports

Kind = Literal["quality", "drift", "accuracy"]
State = Literal["calm", "warn", "alarm", "unknown"]


@dataclass(frozen=True)
class ReportRow:
    """One report on one window; ``body`` is JSON. ``id`` is None until it is saved."""

    at: datetime
    model: str
    version: str
    kind: Kind
    window_start: datetime | None
    window_end: datetime | None
    images: int
    state: State
    p_value: float | None
    body: str
    id: int | None = None


def save(database: Database, report: ReportRow) -> ReportRow:
    """Save a report; returns it with its id. Raises DatabaseError."""
    values = asdict(report)
    del values["id"]
    with database.writing() as connection:
        id_ = connection.execute(
            insert(reports).values(values).returning(reports.c.id)
        ).scalar_one()
    return ReportRow(**values, id=id_)


def history(
    database: Database, model: str | None = None, kind: Kind | None = None, limit: int = 100
) -> list[ReportRow]:
    """The newest reports, newest first; of one model or kind, or of all."""
    statement = select(reports).order_by(reports.c.id.desc()).limit(limit)
    if model is not None:
        statement = statement.where(reports.c.model == model)
    if kind is not None:
        statement = statement.where(reports.c.kind == kind)
    return _rows(database, statement)


def latest(database: Database) -> list[ReportRow]:
    """The newest report of every model and kind, ordered by both."""
    newest = select(func.max(reports.c.id)).group_by(reports.c.model, reports.c.kind)
    statement = select(reports).where(reports.c.id.in_(newest))
    return _rows(database, statement.order_by(reports.c.model, reports.c.kind))


def _rows(database: Database, statement: Select[*tuple[object, ...]]) -> list[ReportRow]:
    with database.reading() as connection:
        return [ReportRow(**row) for row in connection.execute(statement).mappings()]
