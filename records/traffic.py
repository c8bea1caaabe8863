"""Counts of all requests, kept or not, by minute."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from records.adding import adding
from records.database import Database
from records.schema import traffic as table

TrafficKey = tuple[datetime, str, str, str, str, str]
"""Minute, model, version, role, kind and key; see ``records.schema`` and ``records.kinds``."""


@dataclass(frozen=True)
class Traffic:
    """Requests of one minute; for kinds and keys see ``records.schema``."""

    minute: datetime
    model: str
    version: str
    role: str
    kind: str
    key: str
    count: int


def traffic(
    database: Database,
    model: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Traffic]:
    """The counts from ``start`` until before ``end``, by minute. Raises DatabaseError."""
    statement = select(table).order_by(*table.primary_key.columns)
    if model is not None:
        statement = statement.where(table.c.model == model)
    if start is not None:
        statement = statement.where(table.c.minute >= start)
    if end is not None:
        statement = statement.where(table.c.minute < end)
    with database.reading() as connection:
        return [Traffic(*row) for row in connection.execute(statement)]


def totals(
    database: Database, model: str, start: datetime, end: datetime | None = None
) -> dict[tuple[str, str, str, str], int]:
    """The sums over the minutes from ``start`` until before ``end``, by version, role, kind and
    key. Raises DatabaseError."""
    by = (table.c.version, table.c.role, table.c.kind, table.c.key)
    statement = select(*by, func.sum(table.c.count)).where(
        table.c.model == model, table.c.minute >= start
    )
    if end is not None:
        statement = statement.where(table.c.minute < end)
    with database.reading() as connection:
        rows = connection.execute(statement.group_by(*by))
        # PostgreSQL's sum of integers is a Decimal.
        return {(version, role, kind, key): int(n) for version, role, kind, key, n in rows}


def add_traffic(connection: Connection, counts: Mapping[TrafficKey, int]) -> None:
    """Add to the counts, inside a transaction."""
    if not counts:
        return
    # Always in the same order: two writers that lock the same rows in different orders deadlock.
    values = [
        dict(zip(table.columns.keys(), (*key, count), strict=True))
        for key, count in sorted(counts.items())
    ]
    connection.execute(adding(table, connection.dialect.name), values)
