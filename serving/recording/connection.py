"""A server's connection to the database, which may be unavailable for a while."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from errors import DatabaseError, RecordsError
from settings import Settings

# SQLAlchemy takes 30 MiB: a server that keeps no records does not load it.
if TYPE_CHECKING:
    from records.database import Database

logger = logging.getLogger("pupila.records")

# How long a statement, or a wait for another writer, may take.
_STATEMENT_SECONDS = 3.0

# How long to wait before trying an unavailable database again: a try may take as long as a
# statement.
_RETRY_SECONDS = 0.5


class RecordsConnection:
    """Opens the database when it is first used, and prepares it again after each failure.

    Use it from any thread except the event loop's.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._prepared = False
        self._failure: RecordsError | None = None
        self._retry_at = 0.0

    @contextlib.contextmanager
    def open(self) -> Iterator["Database"]:
        """The database, ready for use. Raises RecordsError, as the block may."""
        database = self._ready()
        try:
            yield database
        except RecordsError:
            self._prepared = False
            raise

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
            self._database, self._prepared = None, False

    def _ready(self) -> "Database":
        with self._lock:
            if self._database is not None and self._prepared:
                return self._database
            if self._failure is not None and time.monotonic() < self._retry_at:
                raise self._failure.with_traceback(None)
            try:
                database = self._database = self._database or self._new()
                database.prepare()
            except RecordsError as error:
                if str(error) != str(self._failure):
                    logger.warning("no records are kept for now: %s", error)
                self._failure = error
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                raise
            if self._failure is not None:
                logger.warning("records are kept again")
            self._failure = None
            self._prepared = True
            return database

    def _new(self) -> "Database":
        from records.database import Database

        return Database.of(self._settings, create=True, timeout=_STATEMENT_SECONDS)


def load() -> None:
    """Import what a server needs of ``records``; takes a fifth of a second."""
    import records.budget
    import records.keys
    import records.labels
    import records.reports
    import records.writer  # noqa: F401


def prepare(settings: Settings) -> None:
    """Before a server starts: create a new database, or check the schema of an existing one.

    An unavailable database does not keep the server from starting. Raises RecordsError for one
    that can never be used.
    """
    records = RecordsConnection(settings)
    try:
        with contextlib.suppress(DatabaseError), records.open() as database:
            if database.file:
                from records.reserve import set_aside

                set_aside(database.file)
    finally:
        records.close()
