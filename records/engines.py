"""How the two databases are connected to."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from errors import DatabaseError, RecordsError
from records.failures import translated_errors

# The execution option with which SQLite's transactions begin.
BEGIN: Final = "pupila_begin"
_FORMS: Final = "sqlite:////folder/file.db or postgresql://user:password@host/name"


def parse_url(url: str | URL) -> URL:
    """The URL with its driver, and of SQLite with an absolute path; raises RecordsError."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password: it is not repeated.
        raise RecordsError(f"The database's URL cannot be read: write it as {_FORMS}.") from None
    name = parsed.drivername
    if name in {"sqlite", "sqlite+pysqlite"}:
        if not parsed.database or parsed.database == ":memory:" or parsed.query:
            raise RecordsError("A SQLite URL names a file and nothing else: sqlite:////a/file.db.")
        return URL.create("sqlite", database=str(Path(parsed.database).expanduser().absolute()))
    if name in {"postgres", "postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise RecordsError(f"Records are not kept in {name!r} databases: write the URL as {_FORMS}.")


def url_name(url: URL) -> str:
    """What to call it in a sentence: without user, password and options."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    return f"PostgreSQL {url.database or ''} at {host}{port}"


def is_there(file: Path) -> bool:
    """Whether there is such a file; raises DatabaseError where that cannot be known."""
    try:
        return file.exists()
    except OSError as error:
        raise DatabaseError(
            f"The database {file} cannot be looked for: {error.strerror}; choose another place by "
            "PUPILA_HOME or PUPILA_DATABASE_URL."
        ) from None


def sqlite_engine(url: URL, timeout: float) -> Engine:
    """Connections to the file that is there; none makes one."""
    file = Path(str(url.database))
    engine = create_engine(url, connect_args={"timeout": timeout}, pool_timeout=timeout)

    @event.listens_for(engine, "do_connect")
    def _only_what_is_there(*_: Any) -> None:
        if not is_there(file):
            raise DatabaseError(f"There is no database at {file}: run python -m records migrate.")

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        # Transactions begin where we say so, not where the driver guesses.
        connection.isolation_level = None
        for pragma in (
            "foreign_keys = ON",
            # Every commit reaches the disk, and on a Mac the disk's own memory too.
            "synchronous = FULL",
            "fullfsync = ON",
            # What is deleted is overwritten: an image must not stay behind in a free page.
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        record.info["file"] = _identity(file)

    @event.listens_for(engine, "checkout")
    def _still_there(_connection: Any, record: Any, _proxy: Any) -> None:
        # A file that was removed or replaced would take what is written with it.
        if record.info.get("file") != _identity(file):
            raise DisconnectionError

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        statement = connection.get_execution_options().get(BEGIN)
        if statement:
            connection.exec_driver_sql(str(statement))

    return engine


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def postgresql_engine(url: URL, timeout: float) -> Engine:
    """Connections that are durable, and that give up after ``timeout`` seconds."""
    milliseconds = int(timeout * 1000)
    # A host that no longer answers is noticed, instead of waited for.
    arguments: dict[str, Any] = {
        "connect_timeout": max(2, int(timeout)),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 2 * milliseconds,
        "application_name": "pupila",
    }
    chosen = {name: value for name, value in arguments.items() if name not in url.query}
    with translated_errors(url_name(url)):
        engine = create_engine(url, connect_args=chosen, pool_pre_ping=True, pool_timeout=timeout)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        # By statements: what stands between us and the server may take no options at connection.
        connection.autocommit = True
        connection.execute(f"SET statement_timeout = {milliseconds}")
        # The shorter of the two, so that a lock is told as one.
        connection.execute(f"SET lock_timeout = {milliseconds * 4 // 5}")
        # A label that was acknowledged is on the disk, whatever the server's default is.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.autocommit = False

    return engine
