"""How many bytes the records take."""

import time
from typing import Final

from sqlalchemy import Connection, func, select, text

from records.database import Database
from records.schema import labels, predictions, reports, traffic

ROW_BYTES: Final = 256
"""Of a row without its image but with indexes: 212 measured on SQLite, 231 on PostgreSQL."""

_RECOUNT_SECONDS: Final = 600.0


class Meter:
    """Counts all only now and then, and in between what came since; SQLite knows it at any time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bytes = self._last = 0
        self._recount_at = 0.0

    def read(self) -> int:
        """The bytes in use. Raises DatabaseError."""
        with self._database.reading() as connection:
            if self._database.dialect == "sqlite":
                return pages_bytes(connection)
            # A server's own limit is for requests.
            connection.execute(text("SET LOCAL statement_timeout = 60000"))
            counted = time.monotonic() >= self._recount_at
            if counted:
                self._bytes, self._last = _rows_bytes(connection), 0
                self._recount_at = time.monotonic() + _RECOUNT_SECONDS
            newest = select(func.max(predictions.c.id))
            if not counted:
                statement = select(
                    func.count(), func.coalesce(func.sum(predictions.c.image_bytes), 0)
                ).where(predictions.c.id > self._last)
                rows, size = connection.execute(statement).one()
                self._bytes += int(rows) * ROW_BYTES + int(size)
            self._last = max(self._last, int(connection.execute(newest).scalar_one() or 0))
            return self._bytes

    def deleted(self, rows: int, size: int) -> None:
        """So many predictions, with images of ``size`` bytes, are gone."""
        self._bytes -= rows * ROW_BYTES + size

    def recount(self) -> None:
        """Count all at the next reading."""
        self._recount_at = 0.0


def used_bytes(database: Database) -> int:
    """The bytes in use: of SQLite's pages, without those that are free; on PostgreSQL, whose files
    also have what is not vacuumed yet, an estimate: the images and ``ROW_BYTES`` for each row."""
    with database.reading() as connection:
        sqlite = database.dialect == "sqlite"
        return pages_bytes(connection) if sqlite else _rows_bytes(connection)


def pages_bytes(connection: Connection, *, free: bool = False) -> int:
    """Of SQLite's pages in use; with ``free``, of all that its file has."""
    pages, unused, size = (
        int(connection.execute(text(f"PRAGMA {name}")).scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages if free else pages - unused) * size


def _rows_bytes(connection: Connection) -> int:
    rows = sum(
        int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        for table in (predictions, labels, traffic, reports)
    )
    contents = connection.execute(select(func.sum(predictions.c.image_bytes))).scalar_one()
    return rows * ROW_BYTES + int(contents or 0)
