"""What the processes of this server take: the supervisor and its workers, added up.

prometheus_client has these of one process only, and none where several workers count together.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

# How often to look again if a worker has ended meanwhile, whose time would be missing.
_LOOKS: Final = 3


class _Stat(NamedTuple):
    """Fields of ``/proc/PID/stat``: whether it has ended and nobody has asked how; seconds, its own
    and those of ended children; bytes; ticks."""

    is_dead: bool
    cpu: float
    ended: float
    virtual: int
    resident: int
    started: int

    @classmethod
    def read(cls, proc: Path, process: int) -> "_Stat":
        # The name of the command, in brackets, may have spaces and brackets in it.
        text = (proc / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
        state, *rest = text.rpartition(")")[2].split()
        fields = [int(field) for field in rest]
        user, system, ended_user, ended_system = fields[10:14]
        return cls(
            state in "ZX",
            (user + system) / _TICKS,
            (ended_user + ended_system) / _TICKS,
            fields[19],
            fields[20] * _PAGE,
            fields[18],
        )


def families(supervisor: int, proc: Path = Path("/proc")) -> Iterator[Metric]:
    """Those of the process ``supervisor`` and its children; none where there is no ``/proc``.

    Memory that they share counts for each of them. What ended workers took of the processor stays
    in the sum, so that it never falls.
    """
    try:
        stats = _stats(proc, supervisor)
        began = _boot_seconds(proc) + stats[supervisor].started / _TICKS
    except (OSError, ValueError):
        return
    cpu = sum(stat.cpu for stat in stats.values()) + stats[supervisor].ended
    yield CounterMetricFamily(
        "process_cpu_seconds", "CPU time of the supervisor and all workers", value=cpu
    )
    files = {one: (_descriptors(proc, one), _limit(proc, one)) for one in stats}
    gauges: dict[str, tuple[str, float]] = {
        "resident_memory_bytes": ("Resident memory", sum(one.resident for one in stats.values())),
        "virtual_memory_bytes": ("Virtual memory", sum(one.virtual for one in stats.values())),
        "open_fds": ("Open file descriptors", sum(used for used, _ in files.values())),
        "max_fds": ("File descriptors that may be open", sum(most for _, most in files.values())),
    }
    for name, (what, value) in gauges.items():
        yield GaugeMetricFamily(
            f"process_{name}", f"{what} of the supervisor and all workers", value=value
        )
    # A worker may have none left while the sums, with the supervisor's in them, look well.
    yield GaugeMetricFamily(
        "pupila_open_fds_ratio",
        "Open file descriptors of those that there may be, of the process that has fewest left",
        value=max(used / most if most else 0.0 for used, most in files.values()),
    )
    yield GaugeMetricFamily(
        "process_start_time_seconds", "When the server started, in seconds since 1970", value=began
    )
    yield GaugeMetricFamily(
        "pupila_workers",
        "Workers that there are, ready or not",
        value=sum(not one.is_dead for one in stats.values()) - 1,
    )


def _stats(proc: Path, supervisor: int) -> dict[int, _Stat]:
    for _ in range(_LOOKS):
        before = _Stat.read(proc, supervisor)
        stats = {}
        for child in _children(proc, supervisor):
            with contextlib.suppress(OSError):
                stats[child] = _Stat.read(proc, child)
        stats[supervisor] = _Stat.read(proc, supervisor)
        if stats[supervisor].ended == before.ended:
            break
    return stats


def _children(proc: Path, process: int) -> list[int]:
    found: list[int] = []
    for thread in (proc / str(process) / "task").iterdir():
        # One may have ended meanwhile; its children are another's then.
        with contextlib.suppress(OSError):
            found += map(int, (thread / "children").read_text().split())
    return found


def _boot_seconds(proc: Path) -> int:
    lines = (proc / "stat").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("btime ")).split()[1])


def _descriptors(proc: Path, process: int) -> int:
    with contextlib.suppress(OSError):
        return sum(1 for _ in (proc / str(process) / "fd").iterdir())
    return 0


def _limit(proc: Path, process: int) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in (proc / str(process) / "limits").read_text(encoding="ascii").splitlines():
            if line.startswith("Max open files"):
                return int(line.split()[3])
    return 0
