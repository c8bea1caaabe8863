"""Starts the real server, as a user does, on a store and a port of its own."""

import contextlib
import functools
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.sharing import NUMBER
from tests.waiting import PATIENCE_SECONDS, until

ROOT = Path(__file__).parent.parent

# Of a request, as long as may be: a busy machine is no reason to refuse any.
DEADLINE_MS = 60_000

# httpx2 would read all certificates of the machine for each client: 15 ms of CPU.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

# Below those that Linux and macOS give to connections, and no two processes of a run the same.
_PORTS = range(20_000 + NUMBER % 10 * 1000, 20_000 + NUMBER % 10 * 1000 + 1000)


@dataclass(frozen=True)
class Server:
    url: str
    home: Path
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str) -> httpx2.Response:
        """On a connection of its own, so that any worker may take it; ``post`` too."""
        return self._ask("GET", path)

    def post(self, path: str, json: object = None, content: bytes | None = None) -> httpx2.Response:
        return self._ask("POST", path, json=json, content=content)

    def _ask(self, method: str, path: str, **body: Any) -> httpx2.Response:
        with httpx2.Client(
            base_url=self.url, timeout=PATIENCE_SECONDS, verify=NO_TLS, trust_env=False
        ) as client:
            return client.request(method, path, **body)

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]


def environment(home: Path, /, **settings: object) -> dict[str, str]:
    """This run's environment with another store, and PUPILA_ settings by their names."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PUPILA_", "BENTOML_"))
    }
    settings = {"deadline_ms": DEADLINE_MS} | settings
    chosen = {f"PUPILA_{name.upper()}": str(value) for name, value in settings.items()}
    fixed = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    # Records of its own too, beside its store.
    return variables | {"PUPILA_HOME": str(home / "pupila")} | chosen | fixed


def free_port() -> int:
    """A port that nobody else is given before it is used: not by the kernel, and not by us."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def closed_port() -> int:
    """A port at which nobody listens, and nobody will while this process lives: it is taken."""
    return int(_taken().getsockname()[1])


@functools.cache
def _taken() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


@contextlib.contextmanager
def serve(
    home: Path,
    /,
    *,
    target: str = ".",
    folder: Path = ROOT,
    variables: Mapping[str, str] | None = None,
    port: int | None = None,
    **settings: object,
) -> Iterator[Server]:
    """A running server; it has been stopped, and logged no traceback, when the block ends.

    ``variables``: of its environment, besides the ``settings``; ``port``: that of one before it.
    """
    port = port or free_port()
    log = home / f"server-{port}.log"
    settings = {"workers": 1, "drain_ms": 0} | settings
    command = [str(Path(sys.executable).with_name("bentoml")), "serve", target]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(home, **settings) | {"PORT": str(port)} | dict(variables or {}),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", home, process, log)
    try:
        _wait(server)
        yield server
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        _, traceback, rest = log.read_text().partition("Traceback")
        assert not traceback, rest[:3000]
    except BaseException:
        sys.stderr.write(log.read_text()[-3000:])
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _wait(server: Server) -> None:
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))

    def answers() -> bool:
        assert server.process.poll() is None, "the server ended"
        # Asked a hundred times, mostly in vain, and a client of httpx2 costs 5 ms of CPU.
        with contextlib.suppress(OSError, httpx2.TransportError):
            socket.create_connection(address).close()
            return server.get("/livez").status_code == 200
        return False

    until(answers, "an answer of the server")
