"""The one way to the database: engine, transactions, and errors in one sentence."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL

from errors import DatabaseError, SchemaError
from records.engines import BEGIN, is_there, parse_url, postgresql_engine, sqlite_engine, url_name
from records.failures import translated_errors
from records.schema import REVISION, VERSION_TABLE, metadata
from settings import Settings, settings


class Database:
    """A SQLite file or a PostgreSQL database, by its URL; for use from any thread.

    ``create`` allows ``prepare`` and ``migrate`` to make a SQLite file that is not there.
    ``timeout``: seconds that a statement, or a wait for another writer's lock, may take.
    Nothing is opened before it is used. Raises RecordsError for a URL that cannot be.
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
        file = URL.create("sqlite", database=str(chosen.home / "records.db"))
        url = chosen.database_url or file
        return cls(url, create=create, timeout=timeout)

    @property
    def file(self) -> Path | None:
        """The SQLite file, absolute; none for PostgreSQL."""
        return Path(str(self.url.database)) if self.dialect == "sqlite" else None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One snapshot of the database, that no writer changes; raises DatabaseError."""
        options: dict[str, Any] = {BEGIN: "BEGIN"}
        if self.dialect == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with translated_errors(self.name), self.engine.connect() as connection:
            yield connection.execution_options(**options)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, durable when the block has ended, undone when it raises.

        SQLite's is begun as the writer: one that began as a reader could not wait for its turn.
        Raises DatabaseError when it may succeed later, RecordsError when it never will.
        """
        with translated_errors(self.name), self.engine.connect() as connection:
            options: dict[str, Any] = {BEGIN: "BEGIN IMMEDIATE"}
            if self.dialect == "postgresql":
                options = {"isolation_level": "READ COMMITTED"}
            chosen = connection.execution_options(**options)
            with chosen.begin():
                yield chosen

    @contextmanager
    def outside(self) -> Iterator[Connection]:
        """A connection without transactions, as VACUUM needs it, that may take its time."""
        with translated_errors(self.name), self.engine.connect() as connection:
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            if self.dialect == "postgresql":
                free.execute(text("SET statement_timeout = 0"))
            try:
                yield free
            finally:
                # Its settings must not be the next one's.
                connection.invalidate()

    def revision(self) -> str | None:
        """The schema that the database has; none when it is new.

        Raises SchemaError when the tables are another program's, DatabaseError without a file.
        """
        with self.reading() as connection:
            return _revision(connection, self.name)

    def check(self) -> None:
        """Raises SchemaError unless the schema is this Pupila's."""
        if self.file and not is_there(self.file):
            raise SchemaError(
                f"There is no database at {self.file} yet: start the server once, or run "
                "python -m records migrate."
            )
        found = self.revision()
        if found is None:
            raise SchemaError(f"{self.name} has no tables yet: run python -m records migrate.")
        _refuse_newer(found, self.name)
        if found < REVISION:
            raise SchemaError(
                f"{self.name} has schema {found}, and this Pupila needs {REVISION}: run "
                "python -m records migrate."
            )

    def prepare(self) -> None:
        """What a server does at start: make a new database ready, check one that is not new."""
        self._make_file()
        if self.revision() is None:
            self.migrate()
        self.check()

    def migrate(self) -> str | None:
        """Bring the schema up to date; returns the one before, none of a new database.

        Two processes may do so at once: the second finds it done.
        """
        self._make_file()
        if self.file:
            _make_ready(self)
        with self.writing() as connection:
            if self.dialect == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('pupila'))"))
            before = _revision(connection, self.name)
            _refuse_newer(before, self.name)
            if before != REVISION:
                from records.migrations import upgrade

                upgrade(connection)
        return before

    def _make_file(self) -> None:
        if not self.file or not self.create or is_there(self.file):
            return
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise DatabaseError(
                f"The database {self.file} cannot be made: {error.strerror}; choose another place "
                "by PUPILA_HOME or PUPILA_DATABASE_URL."
            ) from None

    def close(self) -> None:
        """Close every connection; one that a thread still uses, when it is given back."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _make_ready(database: Database) -> None:
    """Give a new file the properties that it can only be given while it is empty."""
    with database.outside() as connection:
        if connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal":
            return
        # Before the journal: that writes the first page, after which this does nothing.
        connection.execute(text("PRAGMA auto_vacuum = INCREMENTAL"))
        connection.execute(text("PRAGMA journal_mode = WAL"))


def _revision(connection: Connection, name: str) -> str | None:
    tables = set(inspect(connection).get_table_names())
    if VERSION_TABLE in tables:
        found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
        return str(found.scalar_one_or_none() or "0000")
    foreign = sorted(tables & metadata.tables.keys())
    if foreign:
        raise SchemaError(
            f"{name} has a table {foreign[0]!r} that Pupila did not make: "
            "give Pupila a database of its own by PUPILA_DATABASE_URL."
        )
    return None


def _refuse_newer(found: str | None, name: str) -> None:
    if found is not None and found > REVISION:
        raise SchemaError(
            f"{name} was written by a newer Pupila (schema {found}, here {REVISION}): "
            "use that one, or another database."
        )
