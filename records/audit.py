"""Who did what and when: rows that are only ever added, as the database itself sees to."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, insert, select

from records.database import Database
from records.schema import audit

COMMAND_LINE: Final = "command line"
# Whoever reached a server that had no keys.
OPEN: Final = "open"


@dataclass(frozen=True)
class Act:
    """``actor``: a key's name, ``COMMAND_LINE``, ``OPEN``, or ``loopback`` for an operator on the
    server's own machine. ``subject``: what it was done to. Neither ids nor images of clients, which
    must be deletable."""

    actor: str
    action: str
    subject: str
    detail: str = ""


def add_acts(connection: Connection, acts: Sequence[Act], at: datetime | None = None) -> None:
    """Inside the transaction that does what they tell of: both are kept, or neither."""
    if acts:
        moment = at or datetime.now(UTC)
        connection.execute(insert(audit), [asdict(act) | {"at": moment} for act in acts])


def acts(database: Database, limit: int = 100) -> list[tuple[datetime, Act]]:
    """The newest, newest first."""
    statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
    with database.reading() as connection:
        return [
            (row.at, Act(row.actor, row.action, row.subject, row.detail))
            for row in connection.execute(statement)
        ]
