"""The database: its transactions, its schema version, and its errors in one sentence."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

import records.rollout_schema  # noqa: F401 - its tables join the metadata
from errors import DatabaseError, SchemaError
from logs.lines import fields
from records.engines import (
    BEGIN,
    LIMITED,
    file_exists,
    parse_url,
    postgresql_engine,
    refuse_relative,
    sqlite_engine,
    url_name,
)
from records.failures import translated_errors
from records.schema import COMPATIBLE, REVISION, SCHEMA_TABLE, VERSION_TABLE, metadata
from settings import Settings, settings

logger = logging.getLogger("pupila.records")

_BUDGETED: Final = (
    "INSERT INTO budgets (name, since, bytes, at) "
    "VALUES ('records', CURRENT_TIMESTAMP, 0, CURRENT_TIMESTAMP)"
)

COMMAND_SECONDS: Final = 60.0
"""The ``timeout`` of a command: no client waits for its answer, as for a server's."""

_LOCKED_SECONDS: Final = 0.01


class Database:
    """A SQLite file or a PostgreSQL database; may be used from any thread.

    ``create`` allows ``prepare`` and ``migrate`` to create a missing SQLite file. ``timeout``:
    seconds that a statement, or a wait for another writer's lock, may take. Connections are opened
    when they are needed. Raises RecordsError for a URL that is not valid.
    """

    def __init__(self, url: str | URL, *, create: bool = False, timeout: float = 10.0) -> None:
        self.url = parse_url(url)
        self.create = create
        self.timeout = timeout
        self.dialect = self.url.get_backend_name()
        self.name = url_name(self.url)
        engine = sqlite_engine if self.file else postgresql_engine
        self.engine = engine(self.url, timeout)

    @classmethod
    def of(
        cls, chosen: Settings | None = None, *, create: bool = False, timeout: float = 10.0
    ) -> Self:
        """The database that the settings name; by default those of this process."""
        chosen = chosen or settings()
        file = URL.create("sqlite", database=str(chosen.records_file))
        url = parse_url(chosen.database_url or file)
        if chosen.database_url is not None:
            refuse_relative(chosen.database_url)
        if chosen.database_password and not url.password and url.get_backend_name() != "sqlite":
            url = url.set(password=chosen.database_password)
        return cls(url, create=create, timeout=timeout)

    @property
    def file(self) -> Path | None:
        """The absolute path of the SQLite file; None for PostgreSQL."""
        return Path(str(self.url.database)) if self.dialect == "sqlite" else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent snapshot, whatever others write meanwhile; raises DatabaseError."""
        options: dict[str, Any] = {BEGIN: "BEGIN"}
        if self.dialect == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with translated_errors(self.name), self.engine.connect() as connection:
            yield connection.execution_options(**options)

    @contextmanager
    def writing(self, *, durable: bool = True, lean: bool = False) -> Iterator[Connection]:
        """One transaction, durable when the block ends, rolled back when it raises.

        On SQLite it begins as a writer: a reader that becomes one fails instead of waiting for
        other writers. Not ``durable``: a loss of power may undo it, as a whole; it does not wait
        for the disk while others wait for it. ``lean``: what is deleted is not overwritten, which
        takes as many bytes of SQLite's log. Raises DatabaseError if it may succeed later,
        RecordsError if it never can.
        """
        with translated_errors(self.name), self.engine.connect() as connection:
            options: dict[str, Any] = {BEGIN: "BEGIN IMMEDIATE"}
            if self.dialect == "postgresql":
                options = {"isolation_level": "READ COMMITTED"}
            chosen = connection.execution_options(**options)
            with _adjusted(chosen, durable=durable, lean=lean), chosen.begin():
                if not durable and self.dialect == "postgresql":
                    chosen.execute(text("SET LOCAL synchronous_commit = off"))
                yield chosen

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """A connection without transactions or time limit, which VACUUM needs."""
        with translated_errors(self.name), self.engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT", **{LIMITED: False})
            limited = self.dialect == "postgresql" and _has_time_limit(free)
            if limited:
                free.execute(text("SET statement_timeout = 0"))
            try:
                yield free
            finally:
                if limited:
                    # Behind a proxy, the server's connection is the next one's.
                    free.execute(text("RESET statement_timeout"))
                # Not back to the pool: the next user must not get its settings.
                connection.invalidate()

    def revision(self) -> str | None:
        """The database's schema version; None for a new database.

        Raises SchemaError if another program made the tables, DatabaseError if there is no file.
        """
        with self.reading() as connection:
            return _revision(connection, self.name)

    def check(self) -> None:
        """Raises SchemaError unless the database has the schema that this code needs.

        A newer schema is fine as long as it only adds to this one's.
        """
        if self.file and not file_exists(self.file):
            raise SchemaError(
                f"There is no database at {self.file} yet: start the server, or run "
                "python -m records migrate."
            )
        revision = self.revision()
        if revision is None:
            raise SchemaError(f"{self.name} has no tables yet: run python -m records migrate.")
        if revision < REVISION:
            raise SchemaError(
                f"{self.name} has schema {revision}, but {REVISION} is needed: run "
                "python -m records migrate."
            )

    def prepare(self) -> None:
        """Create the tables of a new database, or bring those of an older one up to date."""
        self.create_file()
        revision = self.revision()
        if revision is None or revision < REVISION:
            self.migrate()
        self.check()

    def migrate(self) -> str | None:
        """Bring the schema up to date; returns the previous version, None for a new database.

        Several processes may do so at the same time: the first does it, the others wait.
        """
        self.create_file()
        if self.file:
            _set_up_file(self)
        with self.writing() as connection:
            if self.dialect == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('pupila'))"))
            before = self.upgrade(connection)
            if before is None:
                # A new one keeps its budget from the start, see records.budget.
                connection.execute(text(_BUDGETED))
        if before is None or before < REVISION:
            event = "the database was created" if before is None else "the database was migrated"
            about = fields(database=self.name, before=before, schema=REVISION)
            logger.info(event, extra=about)
        return before

    def upgrade(self, connection: Connection, revision: str = REVISION) -> str | None:
        """``migrate`` within a transaction of whoever has locked the schema."""
        before = _revision(connection, self.name)
        if before is None or before < revision:
            from records.migrations import upgrade

            if before is not None:
                _set_version(connection, SCHEMA_TABLE, before)
            upgrade(connection, revision)
            _set_version(connection, VERSION_TABLE, COMPATIBLE)
        return before

    def create_file(self) -> None:
        """An empty SQLite file where there is none, if ``create`` allows it."""
        if not self.file or not self.create or file_exists(self.file):
            return
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise DatabaseError(
                f"The database {self.file} cannot be created: {error.strerror}; set PUPILA_HOME or "
                "PUPILA_DATABASE_URL to another location."
            ) from None

    def close(self) -> None:
        """Close all connections; those in use when their thread is done with them."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _has_time_limit(connection: Connection) -> bool:
    """Whether the role or the server has one."""
    return bool(connection.execute(text("SHOW statement_timeout")).scalar_one() != "0")


@contextmanager
def _adjusted(connection: Connection, *, durable: bool, lean: bool) -> Iterator[None]:
    """SQLite's commits on this connection do not wait for the disk, where not ``durable``: those of
    others do, for all that was committed before too."""
    if connection.dialect.name != "sqlite" or (durable and not lean):
        yield
        return
    driver = connection.connection.cursor()
    driver.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    driver.execute(f"PRAGMA secure_delete = {'FAST' if lean else 'ON'}")
    try:
        yield
    finally:
        driver.execute("PRAGMA synchronous = FULL")
        driver.execute("PRAGMA secure_delete = ON")


def _set_up_file(database: Database) -> None:
    """Set what can only be set while a file is empty.

    While another process does so too, SQLite refuses it at once, where it waits for other locks: of
    four processes with a new file, one failed in nine runs of a hundred.
    """
    until = time.monotonic() + database.timeout
    with database.outside() as connection:
        while connection.execute(text("PRAGMA journal_mode")).scalar_one() != "wal":
            # First: changing the journal mode writes a page, after which this has no effect.
            connection.execute(text("PRAGMA auto_vacuum = INCREMENTAL"))
            try:
                connection.execute(text("PRAGMA journal_mode = WAL"))
            except OperationalError as error:
                is_locked = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
                if not is_locked or time.monotonic() > until:
                    raise
                time.sleep(_LOCKED_SECONDS)
            else:
                return


def _revision(connection: Connection, name: str) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        oldest = _version(connection, VERSION_TABLE)
        if oldest > REVISION:
            raise SchemaError(
                f"{name} was written by a newer Pupila (schema {oldest}, this one supports "
                f"{REVISION}): upgrade Pupila, or use another database."
            )
        # Version 0.1 had one table for both.
        return _version(connection, SCHEMA_TABLE) if SCHEMA_TABLE in tables else oldest
    foreign = sorted(tables & metadata.tables.keys())
    if foreign:
        raise SchemaError(
            f"{name} has a table {foreign[0]!r} that Pupila did not create: set "
            "PUPILA_DATABASE_URL to another database."
        )
    return None


def _version(connection: Connection, table: str) -> str:
    result = connection.execute(text(f"SELECT version_num FROM {table}"))  # noqa: S608
    return str(result.scalar_one_or_none() or "0000")


def _set_version(connection: Connection, table: str, version: str) -> None:
    connection.execute(
        text(f"CREATE TABLE IF NOT EXISTS {table} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    )
    connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    connection.execute(text(f"INSERT INTO {table} (version_num) VALUES ('{version}')"))  # noqa: S608
