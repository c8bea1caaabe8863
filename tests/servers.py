"""Starts the real server, as a user does, on a store and a port of its own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2

ROOT = Path(__file__).parent.parent
START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    url: str
    home: Path
    process: subprocess.Popen[bytes]
    log: Path

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]


def environment(home: Path, **settings: object) -> dict[str, str]:
    """This run's environment with another store, and PUPILA_ settings by their names."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PUPILA_", "BENTOML_"))
    }
    chosen = {f"PUPILA_{name.upper()}": str(value) for name, value in settings.items()}
    fixed = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    # Records of its own too, beside its store.
    return variables | {"PUPILA_HOME": str(home / "pupila")} | chosen | fixed


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def serve(
    home: Path,
    *,
    target: str = ".",
    folder: Path = ROOT,
    variables: Mapping[str, str] | None = None,
    **settings: object,
) -> Iterator[Server]:
    """A running server; it has been stopped, and logged no traceback, when the block ends.

    ``variables``: of its environment, besides the ``settings``.
    """
    port = free_port()
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
        assert process.wait(30) == 0
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
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.process.poll() is None, "the server ended"
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{server.url}/livez").status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"no answer within {START_SECONDS} seconds")
