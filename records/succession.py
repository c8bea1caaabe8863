"""What a database that was restored keeps from the one that it replaces.

Servers follow keys and decisions by a number that only grows, and an operator who has revoked a key
must be able to rely on it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, func, inspect, select, update

from records.audit import COMMAND_LINE, Act, add_acts
from records.database import Database
from records.engines import file_exists
from records.schema import keys


@dataclass(frozen=True)
class Succession:
    """Of the database before: when each revoked key was revoked, by its digest, and the number of
    the last change of a key."""

    revoked: dict[str, datetime]
    version: int

    @classmethod
    def of(cls, database: Database) -> Self:
        if database.file and not file_exists(database.file):
            return cls({}, 0)
        with database.reading() as connection:
            return cls.read(connection)

    @classmethod
    def read(cls, connection: Connection) -> Self:
        if keys.name not in inspect(connection).get_table_names():
            return cls({}, 0)
        revoked = select(keys.c.sha256, keys.c.revoked_at).where(keys.c.revoked_at.is_not(None))
        version = connection.execute(select(func.max(keys.c.version))).scalar_one()
        return cls(
            {row.sha256: row.revoked_at for row in connection.execute(revoked)}, version or 0
        )

    def apply(self, connection: Connection, path: Path) -> None:
        """Make what was restored follow it, and note in the audit that it was restored."""
        for digest, at in self.revoked.items():
            connection.execute(
                update(keys)
                .where(keys.c.sha256 == digest, keys.c.revoked_at.is_(None))
                .values(revoked_at=at)
            )
        newest = connection.execute(select(func.max(keys.c.version))).scalar_one()
        if newest is not None:
            # Each server reads the keys again when the number is another.
            connection.execute(
                update(keys)
                .where(keys.c.version == newest)
                .values(version=max(newest, self.version) + 1)
            )
        add_acts(connection, [Act(COMMAND_LINE, "restore records", path.name)], datetime.now(UTC))
