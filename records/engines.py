"""SQLAlchemy engines for SQLite and PostgreSQL."""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from errors import DatabaseError, RecordsError
from records.failures import translated_errors

# The execution option with the statement that begins a SQLite transaction, and the one with whether
# PostgreSQL's have limits.
BEGIN: Final = "pupila_begin"
LIMITED: Final = "pupila_limited"
_FORMS: Final = "sqlite:////folder/file.db or postgresql://user:password@host/name"


def parse_url(url: str | URL) -> URL:
    """The URL with its driver and, for SQLite, an absolute path. Raises RecordsError."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Not repeated here: it may contain a password.
        raise RecordsError(f"The database URL is not valid: write it as {_FORMS}.") from None
    name = parsed.drivername
    if name in {"sqlite", "sqlite+pysqlite"}:
        if not parsed.database or parsed.database == ":memory:" or parsed.query:
            raise RecordsError(
                "A SQLite URL must name a file and nothing else, as in sqlite:////folder/file.db."
            )
        return URL.create("sqlite", database=str(Path(parsed.database).expanduser().absolute()))
    if name in {"postgres", "postgresql", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise RecordsError(f"{name!r} databases are not supported: write the URL as {_FORMS}.")


def refuse_relative(url: str | URL) -> None:
    """Raises RecordsError for a SQLite file without its folder: it would be another one for each
    folder that something is started in, and in a container none."""
    found = str(make_url(url).database) if str(url).startswith("sqlite") else ""
    if found and not Path(found).expanduser().is_absolute():
        raise RecordsError(
            f"The SQLite URL names {found} without its folder: begin it with four slashes, as in "
            f"sqlite:///{Path(found).absolute()}."
        )


def url_name(url: URL) -> str:
    """A name for messages, without user, password and options."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    return f"PostgreSQL {url.database or ''} at {host}{port}"


def file_exists(file: Path) -> bool:
    """Whether the file exists. Raises DatabaseError if that cannot be determined."""
    try:
        return file.exists()
    except OSError as error:
        raise DatabaseError(
            f"The database {file} cannot be accessed: {error.strerror}; set PUPILA_HOME or "
            "PUPILA_DATABASE_URL to another location."
        ) from None


def sqlite_engine(url: URL, timeout: float) -> Engine:
    """Connections to an existing file; they never create one."""
    file = Path(str(url.database))
    engine = create_engine(url, connect_args={"timeout": timeout}, pool_timeout=timeout)

    @event.listens_for(engine, "do_connect")
    def _require_file(*_: Any) -> None:
        if not file_exists(file):
            raise DatabaseError(f"There is no database at {file}: run python -m records migrate.")

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, record: Any) -> None:
        # We begin transactions ourselves; the driver would do so implicitly.
        connection.isolation_level = None
        for pragma in (
            "foreign_keys = ON",
            # Every commit reaches the disk; on macOS, not only the disk's own cache.
            "synchronous = FULL",
            "fullfsync = ON",
            # Overwrite deleted content: no image may stay in a free page.
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        record.info["file"] = _identity(file)

    @event.listens_for(engine, "checkout")
    def _check_file(_connection: Any, record: Any, _proxy: Any) -> None:
        # Writes to a file that was removed or replaced would be lost.
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
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def postgresql_engine(url: URL, timeout: float) -> Engine:
    """Connections with durable commits; a statement may take ``timeout`` seconds."""
    milliseconds = int(timeout * 1000)
    # Detect a host that no longer answers, instead of waiting for it.
    arguments: dict[str, Any] = {
        "connect_timeout": max(2, int(timeout)),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 2 * milliseconds,
        "application_name": "pupila",
        # Never a statement that was prepared before: the server may be another one behind a proxy.
        "prepare_threshold": None,
    }
    chosen = {name: value for name, value in arguments.items() if name not in url.query}
    with translated_errors(url_name(url)):
        engine = create_engine(url, connect_args=chosen, pool_pre_ping=True, pool_timeout=timeout)

    limits = _limits(milliseconds)

    # With each transaction, and for it alone: PgBouncer and its like give it another connection to
    # the server than the one before, and may not accept options when connecting.
    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get(LIMITED, True):
            connection.exec_driver_sql(limits)

    return engine


def _limits(milliseconds: int) -> str:
    """A statement may take so long, and a wait for a lock a little less, so that a lock is reported
    as a lock. An acknowledged label is on the disk, whatever the server's default is."""
    return (
        f"SELECT set_config('statement_timeout', '{milliseconds}', true), "
        f"set_config('lock_timeout', '{milliseconds * 4 // 5}', true), "
        "CASE current_setting('synchronous_commit') WHEN 'off' "
        "THEN set_config('synchronous_commit', 'on', true) END"
    )
