"""A server's connection to the database, which may be unavailable for a while."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from secrets import token_hex
from typing import TYPE_CHECKING

from errors import DatabaseError, RecordsError, SettingsError
from serving.metrics import DATABASE_UP
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

    Use it from any thread except the event loop's. ``tells``: whether a failure that lasts is
    logged, which whoever ends the process for it does better.
    """

    def __init__(self, settings: Settings, *, tells: bool = True) -> None:
        self._settings = settings
        self._tells = tells
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._prepared = False
        self._failure: RecordsError | None = None
        self._retry_at = 0.0
        is_server = (settings.database_url or "").startswith("postgres")
        self._kind = "postgresql" if is_server else "sqlite"

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
                if self._tells and str(error) != str(self._failure):
                    logger.warning("no records are kept for now: %s", error)
                DATABASE_UP.labels(self._kind).set(0)
                self._failure = error
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                raise
            if self._failure is not None:
                logger.warning("records are kept again")
            DATABASE_UP.labels(self._kind).set(1)
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

    An unavailable database does not keep the server from starting, unless
    ``PUPILA_REQUIRE_RECORDS`` says so. Raises RecordsError for one that can never be used.
    """
    if settings.require_records and not settings.record:
        raise SettingsError(
            "PUPILA_REQUIRE_RECORDS is true, but PUPILA_RECORD is false: change one of them."
        )
    # Each worker tells of a failure that does not end the server.
    records = RecordsConnection(settings, tells=False)
    try:
        with records.open() as database:
            if database.file:
                from records.reserve import set_aside

                set_aside(database.file)
            if settings.require_records:
                _write(database)
    except DatabaseError as error:
        if settings.require_records:
            raise RecordsError(
                f"PUPILA_REQUIRE_RECORDS is true, and no records can be kept: {error}"
            ) from None
    finally:
        records.close()


def _write(database: "Database") -> None:
    """On a full disk, everything succeeds but this. Raises DatabaseError."""
    from records.workers import report, sign_off

    name = f"start:{token_hex(8)}"
    report(database, name, 0, frozenset())
    sign_off(database, name)
