"""How much memory this process may still take, and a limit to it while a version is loaded.

A graph of some hundred bytes can ask for terabytes. Refused by the system, that is an error of this
one version; granted, it is the end of the process.
"""

import contextlib
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Loading takes at least this much, however little is free: a limit must not refuse small versions.
_LEAST_BYTES: Final = 256 * 2**20
_SHARE: Final = 0.75

_CGROUP: Final = Path("/sys/fs/cgroup")
_lock = threading.Lock()
_loading = 0
_before = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Within the block, allocations beyond three quarters of the memory that is free now fail.

    The limit is the process's: only Linux has one that fits, and elsewhere there is none.
    """
    global _loading, _before  # noqa: PLW0603 - as the limit itself, of the process
    with _lock:
        if _loading == 0:
            _before = resource.getrlimit(resource.RLIMIT_DATA)
            _limit(_before)
        _loading += 1
    try:
        yield
    finally:
        with _lock:
            _loading -= 1
            if _loading == 0:
                resource.setrlimit(resource.RLIMIT_DATA, _before)


def free_bytes() -> int | None:
    """Bytes that may still be used in this container, or on this machine; None if unknown."""
    known = [_free_of_machine(), *_free_of_container()]
    return min((free for free in known if free is not None), default=None)


def _limit(before: tuple[int, int]) -> None:
    free, used = free_bytes(), _used_data()
    if free is None or used is None:
        return
    soft = used + max(_LEAST_BYTES, int(_SHARE * free))
    for given in before:
        if given != resource.RLIM_INFINITY:
            soft = min(soft, given)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, before[1]))


def _used_data() -> int | None:
    """What counts against RLIMIT_DATA: private memory that may be written, used or not."""
    return _kilobytes(Path("/proc/self/status"), "VmData")


def _free_of_machine() -> int | None:
    return _kilobytes(Path("/proc/meminfo"), "MemAvailable")


def _free_of_container() -> Iterator[int | None]:
    """By version 2 of control groups, and by version 1, as they are mounted in a container."""
    yield _difference(_CGROUP / "memory.max", _CGROUP / "memory.current")
    v1 = _CGROUP / "memory"
    yield _difference(v1 / "memory.limit_in_bytes", v1 / "memory.usage_in_bytes")


def _difference(limit: Path, usage: Path) -> int | None:
    # OSError: there are none; ValueError: the limit is "max".
    with contextlib.suppress(OSError, ValueError):
        return max(0, int(limit.read_text()) - int(usage.read_text()))
    return None


def _kilobytes(path: Path, name: str) -> int | None:
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None
