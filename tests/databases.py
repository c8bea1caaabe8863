"""A PostgreSQL server for the tests, which nobody else can reach.

It is the installed PostgreSQL, started on a socket in a new folder, without a port. Where none is
installed, its tests are skipped, or fail with REQUIRE_POSTGRES=1.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.sharing import memory

# PostgreSQL refuses to run as root, and accepts any other user.
_USER = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None


def _programs() -> Path | None:
    """The folder with ``initdb`` and ``pg_ctl`` of the newest installed version."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    # Not on the path: Debian's, and Homebrew's other than the default version.
    for folder in ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"):
        paths = sorted(Path(folder).glob("*/bin/initdb"), key=lambda path: _version(path.parts[-3]))
        if paths:
            return paths[-1].parent
    return None


def _parent() -> Path:
    """Memory, if there is enough: a busy disk takes 10 s to delete the files at the end."""
    return memory(2**30) or Path("/tmp")  # noqa: S108


def _version(name: str) -> int:
    digits = "".join(filter(str.isdigit, name))
    return int(digits) if digits else 0


class Postgres:
    """A running server."""

    def __init__(self, folder: Path, programs: Path, *, durable: bool) -> None:
        self.folder = folder
        self._fsync = "on" if durable else "off"
        self._programs = programs
        self._data = folder / "data"

    def command(self, program: str, *arguments: str) -> None:
        with (self.folder / "log").open("ab") as log:
            done = subprocess.run(
                [str(self._programs / program), *arguments],
                cwd=self.folder,
                user=_USER,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        assert done.returncode == 0, (self.folder / "log").read_text()[-3000:]

    def create(self) -> None:
        options = ("--auth=trust", "--username=pupila", "--encoding=UTF8", "--locale=C")
        self.command("initdb", "-D", str(self._data), "--no-sync", *options)
        self.start()

    def start(self) -> None:
        server = (
            f"-k {self.folder} -c listen_addresses='' -c fsync={self._fsync} -c max_connections=60"
        )
        log = str(self.folder / "server.log")
        self.command("pg_ctl", "-D", str(self._data), "-w", "-l", log, "-o", server, "start")

    def stop(self, mode: str = "immediate") -> None:
        self.command("pg_ctl", "-D", str(self._data), "-w", "-m", mode, "stop")

    def url(self, schema: str = "public") -> str:
        options = f"host={self.folder}&options=-csearch_path%3D{schema}"
        return f"postgresql://pupila:a%40secret@/postgres?{options}"

    def database(self) -> str:
        """The URL of a new schema: as separate as a new database, and faster to create."""
        schema = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        return self.url(schema)


@contextlib.contextmanager
def postgres_server(parent: Path | None = None, *, durable: bool = False) -> Iterator[Postgres]:
    """A new server, in a new folder; skips or fails the test if PostgreSQL is not installed.

    ``durable``: commits reach the disk, which no test depends on.
    """
    programs = _programs()
    if programs is None:
        reason = "PostgreSQL is not installed: no initdb on the path or in /usr/lib/postgresql"
        if os.environ.get("REQUIRE_POSTGRES") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    # Not in pytest's folder: other users cannot enter it, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="pupila-pg-", dir=parent or _parent()))
    try:
        if _USER:
            shutil.chown(folder, _USER)
        server = Postgres(folder, programs, durable=durable)
        server.create()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
