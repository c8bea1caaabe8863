"""A server and what goes with it, in a temporary folder with a model store and records of its own.

Nothing here touches those of the user.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from errors import DemoError
from settings import environment

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_NICE = ("nice", "-n", "10")


class Place:
    """Processes of Pupila that share a store and a database; they end with the block.

    ``settings``: of the environment of all of them. ``folder`` has their logs.
    """

    def __init__(self, settings: Mapping[str, object]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pupila-demo-"))
        self.home = self.folder / "pupila"
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=5.0, trust_env=False)
        own = {
            "PORT": port,
            "PUPILA_HOME": self.home,
            "BENTOML_HOME": self.folder / "bentoml",
            "PUPILA_WORKERS": WORKERS,
            # On a busy machine the threads of BLAS wait for each other, for minutes.
            "OMP_NUM_THREADS": 1,
            "OPENBLAS_NUM_THREADS": 1,
        }
        self._environment = environment(**{**own, **settings})
        self._stack = ExitStack()
        self._running: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._stack.callback(self.client.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._stack.close()

    def serve(self) -> None:
        """Start ``bentoml serve``, and wait until it is ready. Raises DemoError."""
        bentoml = str(Path(sys.executable).with_name("bentoml"))
        self.start("server", [bentoml, "serve", "."])
        until = time.monotonic() + _START_SECONDS
        while not self._ready():
            self.check()
            if time.monotonic() > until:
                raise DemoError(f"The server was not ready after {_START_SECONDS:g} s.")
            time.sleep(0.1)

    def start(
        self, name: str, command: Sequence[str], output: Callable[[IO[str]], None] | None = None
    ) -> subprocess.Popen[str]:
        """A process that runs until the block ends. ``output``: gets its stdout, and closes
        it; else the log does."""
        log = self._stack.enter_context(self.log(name).open("w", encoding="utf-8"))
        process = subprocess.Popen(  # noqa: S603 - a command of ours
            command,
            cwd=ROOT,
            env=self._environment,
            stdout=log if output is None else subprocess.PIPE,
            stderr=log,
            text=True,
            # Ctrl-C is for this process, which ends the others in order.
            start_new_session=True,
        )
        self._stack.callback(_end, process)
        self._running[name] = process
        if output is not None and process.stdout is not None:
            output(process.stdout)
        return process

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """``python -m`` with these arguments, which ends by itself."""
        return subprocess.Popen(  # noqa: S603 - a command of ours
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @staticmethod
    def behind(*arguments: str) -> list[str]:
        """``python -m`` with these arguments at a lower priority: who answers comes before who
        watches, as in production."""
        return [*_NICE, sys.executable, "-m", *arguments]

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def check(self) -> None:
        """Raises DemoError, with its last words, if a process has ended that should run."""
        for name, process in self._running.items():
            if process.poll() is not None:
                last = self.log(name).read_text(encoding="utf-8").strip()[-2000:]
                raise DemoError(f"The {name} ended with code {process.returncode}: {last}")

    def _ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


def finished(process: subprocess.Popen[str], what: str) -> str:
    """Wait for a command, and return what it printed. Raises DemoError if it failed."""
    output, _ = process.communicate()
    if process.returncode:
        raise DemoError(f"{what} failed: {output.strip()[-2000:]}")
    return output


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
