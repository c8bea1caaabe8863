"""Which workers of which servers are alive, and what they could answer with."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert, select

from records.database import Database
from records.rollout_schema import workers

ALIVE: Final = timedelta(seconds=20)
"""A worker that has said nothing for longer is not waited for."""

_FORGOTTEN: Final = timedelta(days=1)


@dataclass(frozen=True)
class Worker:
    """``decision``: the number of the newest one that it acts on; ``versions``: tags."""

    id: str
    at: datetime
    decision: int
    versions: frozenset[str]


def report(database: Database, id_: str, decision: int, versions: Collection[str]) -> None:
    """A worker says that it is alive."""
    now = datetime.now(UTC)
    values = {"id": id_, "at": now, "decision": decision, "versions": json.dumps(sorted(versions))}
    with database.writing() as connection:
        stale = (workers.c.id == id_) | (workers.c.at < now - _FORGOTTEN)
        connection.execute(delete(workers).where(stale))
        connection.execute(insert(workers).values(values))


def sign_off(database: Database, id_: str) -> None:
    """A worker ends."""
    with database.writing() as connection:
        connection.execute(delete(workers).where(workers.c.id == id_))


def alive(database: Database, within: timedelta = ALIVE) -> list[Worker]:
    """The workers that have said so lately, by id."""
    statement = select(workers).where(workers.c.at >= datetime.now(UTC) - within)
    with database.reading() as connection:
        return [
            Worker(row.id, row.at, row.decision, frozenset(json.loads(row.versions)))
            for row in connection.execute(statement.order_by(workers.c.id))
        ]
