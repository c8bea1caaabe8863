"""Counts of all requests, kept or not, by minute."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import Connection, Executable, func, select

from records.database import Database
from records.schema import traffic as table

TrafficKey = tuple[datetime, str, str, str, str, str]
"""Minute, model, version, role, kind and key; for kinds and keys see ``records.schema``."""


# What was tried of a challenger, counted under its version and role. A trial is one image that it
# was to answer: in time, or with the champion answering instead since it failed (raised, or gave no
# number) or was late (half of the request's deadline had passed). One that was answered in time and
# took longer than the server calls slow is counted as slow instead of as answered.
TRIAL: Final = "trial"
ANSWERED, FAILED, SLOW, LATE = "answered", "failed", "slow", "late"

# Images that both versions classified, counted under the version, and the role, of the one that
# answered nobody.
PAIR: Final = "pair"
SAME, DIFFER = "same", "differ"

# Pairs that differ, by what the champion and the challenger said: see ``change_key``.
CHANGE: Final = "change"


def change_key(champion: str, challenger: str) -> str:
    """The key of a change from one label to another, both as JSON: ``8>3``, ``"cat">"dog"``."""
    return f"{champion}>{challenger}"


def changed(key: str) -> tuple[str, str]:
    """What ``change_key`` was made of."""
    # A label may contain the sign; only between two texts of JSON does each side end.
    _, end = json.JSONDecoder().raw_decode(key)
    return key[:end], key[end + 1 :]


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
    connection.execute(_upsert(connection.dialect.name), values)


@cache
def _upsert(dialect: str) -> Executable:
    """Only one of the dialects is imported: PostgreSQL's takes 2 MB."""
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={"count": table.c.count + statement.excluded.count},
    )
