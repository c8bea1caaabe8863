"""Commands of ours in processes that begin with the libraries already imported.

``python -m train`` spends three seconds on importing scikit-learn and the rest before it does
anything, and the tests start a hundred commands. Here one process imports the libraries, for all
of the tests' processes, and forks for each command. That has its own arguments, environment, folder
and files, imports every module of ours itself, and ends with an exit code. Started by Python itself
are servers, and commands of which a test shows what they import or how they end on a signal.

Linux only: a fork with macOS's libraries loaded is not safe. There, all are started by Python.
"""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.sharing import FOLDER, WORKER, once

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
_BACKLOG = 64


def command(
    module: str, *arguments: str, env: Mapping[str, str], cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """``python -m MODULE`` with these arguments; returns when it has ended."""
    return subprocess.run(
        [*_python(), "-m", module, *arguments],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def install(folder: Path) -> None:
    """A ``python`` in a folder of the path, for shells."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(_python())} "$@"\n')
    script.chmod(0o755)


@contextmanager
def listening(path: Path) -> Iterator[int]:
    """The descriptor of a socket for ``forks.py``."""
    # A command is one message, however long its environment is.
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        os.set_inheritable(listener.fileno(), True)
        yield listener.fileno()


def _python() -> list[str]:
    if sys.platform != "linux":
        return [sys.executable]
    path = once("forks", _start) / "socket"
    return [sys.executable, "-ISs", str(TESTS / "forked.py"), str(path)]


def _start(folder: Path) -> None:
    """Commands are queued while the libraries are being imported."""
    # The process that lives until all tests have ended.
    parent = os.getppid() if WORKER else os.getpid()
    with listening(folder / "socket") as descriptor, (FOLDER / "forks.log").open("wb") as log:
        program = [str(TESTS / "forks.py"), str(descriptor), str(parent)]
        outputs = [(os.POSIX_SPAWN_DUP2, log.fileno(), number) for number in (1, 2)]
        os.posix_spawn(
            sys.executable,
            [sys.executable, *program],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), *outputs],
            setsid=True,
        )
