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


def memory(needed: int) -> Path | None:
    """A folder in memory with so many bytes free, from which programs can be run."""
    folder = Path("/dev/shm")  # noqa: S108
    if not folder.is_dir() or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return None
    return folder if shutil.disk_usage(folder).free > needed else None


# All tests together leave less than 1 GB. Each version and record that is saved waits for the disk:
# on a busy machine, tests that save much took 8 to 16 times their CPU time, others 4 times.
_BYTES = 4 * 2**30
# A container engine may have a memory of its own there, and mounts what a test has written.
_IN_MEMORY = "CONTAINER_TESTS" not in os.environ

if WORKER:
    FOLDER = Path(os.environ[_FOLDER])
else:
    FOLDER = Path(
        tempfile.mkdtemp(prefix="pupila-tests-", dir=memory(_BYTES) if _IN_MEMORY else None)
    )
    os.environ[_FOLDER] = str(FOLDER)
    # pytest's own folders are in it too, and gone afterwards; `--basetemp` keeps them.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(FOLDER))
    atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

# Nine without pytest-xdist: the tests of the image run beside others, and share their ports else.
NUMBER = int(WORKER.removeprefix("gw") or 9)
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
