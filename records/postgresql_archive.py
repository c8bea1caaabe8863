"""A PostgreSQL database's tables in an archive of ``pg_dump``, and back, while others use them."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, cast

from sqlalchemy import Connection, inspect, text

from errors import RecordsError
from records.contents import Contents, Progress, counted
from records.database import Database
from records.schema import REVISION, SCHEMA_TABLE, VERSION_TABLE, metadata
from records.succession import Succession

_VERSIONS: Final = (VERSION_TABLE, SCHEMA_TABLE)
# What pg_restore prints of a table's rows and of the next id.
_COPY: Final = re.compile(rb'COPY (?:.*\.)?"?(\w+)"? (\([^)]*\)) FROM stdin;\n')
_NEXT: Final = re.compile(rb"SELECT pg_catalog\.setval\('.*', (\d+), (true|false)\);\n")
_END: Final = b"\\.\n"
_CHUNK: Final = 1 << 18


def write(database: Database, part: Path) -> Contents:
    """Dump our tables to ``part``, and read the archive again. Raises RecordsError."""
    with database.reading() as connection:
        rows = counted(connection)
        # pg_dump reads the snapshot in which the rows were counted.
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        tables = [*rows, *(set(inspect(connection).get_table_names()) & set(_VERSIONS))]
        with _connection_string(database) as address:
            _run(
                "pg_dump",
                "--format=custom",
                "--no-owner",
                "--no-privileges",
                f"--snapshot={snapshot}",
                f"--file={part}",
                f"--dbname={address}",
                *(f"--table={name}" for name in tables),
            )
    backup = _checked(part)
    if backup.rows != rows:
        raise RecordsError("The archive differs from the database: try again.")
    return backup


def read(database: Database, path: Path, progress: Progress) -> Contents:
    """Make our tables what the archive holds, in one transaction. Raises RecordsError."""
    backup = _checked(path)
    if backup.schema > REVISION:
        raise RecordsError(
            f"{path} was written by a newer Pupila (schema {backup.schema}, this one supports "
            f"{REVISION}): restore it with that one."
        )
    with database.writing() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('pupila'))"))
        succession = Succession.read(connection)
        _drop(connection)
        # As its tables were then; what later versions changed in them is done to its rows too.
        database.upgrade(connection, backup.schema)
        _load(connection, path, backup, progress)
        database.upgrade(connection)
        found = counted(connection)
        if any(found[name] != rows for name, rows in backup.rows.items()):
            raise RecordsError(f"{path} was not restored whole, so the database is as it was.")
        succession.apply(connection, path)
    return backup


def _drop(connection: Connection) -> None:
    present = set(inspect(connection).get_table_names())
    for table in reversed(metadata.sorted_tables):
        if table.name in present:
            connection.execute(text(f"DROP TABLE {table.name}"))
        # Of tables to which rows are only added.
        connection.execute(text(f"DROP FUNCTION IF EXISTS {table.name}_append_only()"))
    for name in _VERSIONS:
        connection.execute(text(f"DROP TABLE IF EXISTS {name}"))


def _load(connection: Connection, path: Path, backup: Contents, progress: Progress) -> None:
    driver: Any = connection.connection.driver_connection
    total, done = max(sum(backup.rows.values()), 1), 0
    # In the order of their references; an archive has its own.
    for table in metadata.sorted_tables:
        if table.name not in backup.rows:
            continue
        for name, what in _contents(path, table.name, f"{table.name}_id_seq"):
            if name is None:
                number, called = what
                connection.execute(
                    text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :number, :called)"),
                    {"table": table.name, "number": number, "called": called},
                )
                continue
            columns, lines = what
            with driver.cursor().copy(f"COPY {name} {columns} FROM STDIN") as copy:
                for chunk, count in lines:
                    copy.write(chunk)
                    done += count
                    progress(100 * done // total)


def _checked(path: Path) -> Contents:
    """What the archive holds, all of which is read. Raises RecordsError if that fails."""
    rows: dict[str, int] = {}
    schemas: dict[str, str] = {}
    for name, what in _contents(path):
        if name is None:
            continue
        _, lines = what
        if name in _VERSIONS:
            schemas[name] = b"".join(chunk for chunk, _ in lines).decode().strip()
        else:
            rows[name] = sum(count for _, count in lines)
    schema = schemas.get(SCHEMA_TABLE) or schemas.get(VERSION_TABLE)
    if schema is None:
        raise RecordsError(f"{path} has no records: it is an archive of other tables.")
    return Contents(schema, rows, path.stat().st_size)


def _contents(path: Path, *tables: str) -> Iterator[tuple[str | None, Any]]:
    """Each table with its columns and its rows, as chunks of lines and their numbers; without a
    name, the last id of a table, and whether it was given to a row."""
    chosen = [f"--table={name}" for name in tables]
    command = [_program("pg_restore"), "--data-only", "--file=-", *chosen, str(path)]
    with (
        TemporaryDirectory() as folder,
        (Path(folder) / "errors").open("wb+") as errors,
        subprocess.Popen(  # noqa: S603 - a program of PostgreSQL, and a file as its argument
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process,
    ):
        output = cast("IO[bytes]", process.stdout)
        try:
            for line in output:
                if found := _COPY.fullmatch(line):
                    yield found[1].decode(), (found[2].decode(), _lines(output))
                elif found := _NEXT.fullmatch(line):
                    yield None, (int(found[1]), found[2] == b"true")
        except GeneratorExit:
            process.kill()
            raise
        if process.wait():
            errors.seek(0)
            raise RecordsError(f"{path} is damaged ({_said(errors.read())}): use another backup.")


def _lines(output: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    chunk: list[bytes] = []
    size = 0
    for line in output:
        if line == _END:
            break
        chunk.append(line)
        size += len(line)
        if size >= _CHUNK:
            yield b"".join(chunk), len(chunk)
            chunk, size = [], 0
    if chunk:
        yield b"".join(chunk), len(chunk)


@contextmanager
def _connection_string(database: Database) -> Iterator[str]:
    """Without the password, which everybody on the machine could read in the list of processes."""
    url = database.url.set(drivername="postgresql")
    with TemporaryDirectory() as folder:
        if url.password:
            file = Path(folder) / "password"
            escaped = str(url.password).replace("\\", "\\\\").replace(":", "\\:")
            file.touch(0o600)
            file.write_text(f"*:*:*:*:{escaped}\n")
            url = url.set(password=None).update_query_dict({"passfile": str(file)})
        yield url.render_as_string(hide_password=False)


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - as above
        [_program(program), *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise RecordsError(f"{program} failed: {_said(done.stderr)}.")


def _said(errors: bytes) -> str:
    lines = errors.decode(errors="replace").strip().splitlines() or ["no reason given"]
    return re.sub(r"^pg_\w+: (error: )?", "", lines[0]).rstrip(" .:")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        newest = sorted(
            Path("/usr/lib/postgresql").glob(f"*/bin/{name}"),
            key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
        )
        if not newest:
            raise RecordsError(
                f"{name} is not on the path: install PostgreSQL's client, of the server's version "
                "or newer (Debian: postgresql-client)."
            )
        found = str(newest[-1])
    return found
