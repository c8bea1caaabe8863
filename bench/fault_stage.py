"""Where a fault is played: a folder, a server with a version, and what the fault needs."""

import contextlib
import os
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg

from bench.fault_proxy import Proxy
from bench.fault_server import Server
from models.store import Store
from tests.databases import Postgres, postgres_server
from tests.drafts import LinearDraft

_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


class CannotError(Exception):
    """This machine does not allow that fault; the text says why."""


@dataclass
class Stage:
    """``server`` is there once a case has called ``serve``; all ends with the block."""

    home: Path
    stack: ExitStack
    postgres: Callable[[], Postgres]
    _server: Server | None = field(default=None)

    @property
    def server(self) -> Server:
        if self._server is None:
            raise RuntimeError("the case has not called serve")
        return self._server

    def serve(
        self,
        *,
        options: tuple[str, ...] = (),
        wrapper: tuple[str, ...] = (),
        program: tuple[str, ...] = (),
        tls: bool = False,
        **settings: object,
    ) -> Server:
        """What will be started, with PUPILA_ settings by their names."""
        chosen = {f"PUPILA_{name.upper()}": str(value) for name, value in settings.items()}
        self._server = Server(self.home, tls=tls, settings=chosen, options=options, wrapper=wrapper)
        if program:
            self._server.program = program
        return self._server

    def disk(self, path: Path, size: str) -> None:
        """A small file system in memory."""
        path.mkdir(parents=True, exist_ok=True)
        self.mount("-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(path))
        self.stack.callback(subprocess.run, ["umount", "--lazy", str(path)], check=False)

    def mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotError(f"mount: {done.stderr.strip()}")

    def proxy(self) -> Proxy:
        proxy = Proxy(self.postgres().folder)
        self.stack.callback(proxy.close)
        return proxy

    def group(self, mebibytes: int) -> Path:
        """A control group with a limit of memory, below this process's own."""
        for line in _OWN_GROUP.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if "memory" in controllers.split(","):
                parent, limit = _GROUPS / "memory" / group.strip("/"), "memory.limit_in_bytes"
            elif not controllers and (_GROUPS / "cgroup.controllers").exists():
                parent, limit = _GROUPS / group.strip("/"), "memory.max"
            else:
                continue
            path = parent / f"pupila-{uuid.uuid4().hex[:8]}"
            try:
                path.mkdir()
                (path / limit).write_text(str(mebibytes * 2**20))
            except OSError as error:
                raise CannotError(f"control groups: {error}") from None
            self.stack.callback(path.rmdir)
            return path
        raise CannotError("no control group of memory")


class Databases:
    """One PostgreSQL for all cases, with passwords, started when the first needs it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._postgres: Postgres | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def get(self) -> Postgres:
        if self._postgres is None:
            parent = Path(tempfile.gettempdir())
            postgres = self._stack.enter_context(postgres_server(parent))
            with psycopg.connect(postgres.url(), autocommit=True) as connection:
                connection.execute("ALTER ROLE pupila PASSWORD 'a@secret'")
            lines = "local all all scram-sha-256\n"
            (postgres.folder / "data" / "pg_hba.conf").write_text(lines)
            postgres.command("pg_ctl", "-D", str(postgres.folder / "data"), "reload")
            self._postgres = postgres
        return self._postgres


@contextlib.contextmanager
def stage(databases: Databases) -> Iterator[Stage]:
    with (
        tempfile.TemporaryDirectory(prefix="pupila-faults-", ignore_cleanup_errors=True) as folder,
        ExitStack() as stack,
    ):
        home = Path(folder)
        Store(home / "models").save(LinearDraft(answer=8))
        found = Stage(home, stack, databases.get)
        try:
            yield found
        finally:
            if found._server is not None and hasattr(found._server, "process"):
                found.server.clients.stop()
                found.server.kill()


def environment_of(**variables: str) -> tuple[str, ...]:
    """What starts a command with these variables besides."""
    return ("env", *(f"{name}={value}" for name, value in variables.items()))


def thaw(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGCONT)


def host_of(url: str, host: str, port: int) -> str:
    """PostgreSQL's URL with a host's name, in place of the folder of its socket."""
    before, _, after = url.partition("/postgres?host=")
    options = after.partition("&")[2]
    return f"{before.removesuffix('@')}@{host}:{port}/postgres?{options}"
