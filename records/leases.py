"""Leases: what only one process may do at a time, across machines and crashes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select, text, update

from records.database import Database
from records.rollout_schema import leases


def take(database: Database, name: str, owner: str, duration: timedelta) -> bool:
    """Take or renew a lease; False while somebody else has it.

    By this machine's clock, as whoever looks at it must have about the same time. It ends by
    itself after ``duration``, so a crash blocks others no longer than that.
    """
    now = datetime.now(UTC)
    with database.writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('pupila.leases'))"))
        row = connection.execute(select(leases).where(leases.c.name == name)).one_or_none()
        if row is None:
            values = {"name": name, "owner": owner, "until": now + duration}
            connection.execute(insert(leases).values(values))
            return True
        if row.owner != owner and row.until > now:
            return False
        connection.execute(
            update(leases).where(leases.c.name == name).values(owner=owner, until=now + duration)
        )
        return True


def give_back(database: Database, name: str, owner: str) -> None:
    """End a lease early, if it is still the owner's."""
    with database.writing() as connection:
        connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))


def holder(database: Database, name: str) -> tuple[str, datetime] | None:
    """Who has a lease and until when; None if nobody has it."""
    statement = select(leases).where(leases.c.name == name, leases.c.until > datetime.now(UTC))
    with database.reading() as connection:
        row = connection.execute(statement).one_or_none()
        return None if row is None else (row.owner, row.until)


@contextmanager
def leased(database: Database, name: str, owner: str, duration: timedelta) -> Iterator[bool]:
    """Whether the block has the lease, which ends with it."""
    has = take(database, name, owner, duration)
    try:
        yield has
    finally:
        if has:
            give_back(database, name, owner)
