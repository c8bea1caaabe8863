"""What the processes of one run of the tests share: a folder, and what only one of them makes.

Without pytest-xdist there is one process, and all of this holds too.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_FOLDER = "TESTS_FOLDER"

# Set by pytest-xdist in the processes that run tests for another one: gw0, gw1, ...
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

if WORKER:
    FOLDER = Path(os.environ[_FOLDER])
else:
    FOLDER = Path(tempfile.mkdtemp(prefix="pupila-tests-"))
    os.environ[_FOLDER] = str(FOLDER)
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

NUMBER = int(WORKER.removeprefix("gw") or 0)
HOME = FOLDER / (WORKER or "home")
"""This process's own store and records."""
HOME.mkdir(exist_ok=True)


def usable_cpus() -> int:
    """How many this process may use, which in a container may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder that ``make`` has filled, in the process that needed it first.

    Others that need it wait for it. What fails is tried again by the next.
    """
    folder, made = FOLDER / name, FOLDER / f"{name}.made"
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            made.touch()
    return folder
