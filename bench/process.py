"""A server in processes of its own: start, freeze, measure, stop. Reads /proc, so Linux only."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120
STOP_SECONDS = 20
_MARK = "BENCH_MARK"


class StartError(click.ClickException):
    """A server that ended, or did not answer rightly in time; the text has its last words."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class Tree:
    """A process and all that came of it, even those that changed parents or session."""

    root: int
    mark: str

    def processes(self) -> list[int]:
        """Parents before children. A mark in the environment finds those whose parent died."""
        parents = {
            int(path.name): _parent(path)
            for path in Path("/proc").iterdir()
            if path.name.isdecimal()
        }
        found = [self.root] if self.root in parents else []
        marked = f"{_MARK}={self.mark}".encode()
        found += [
            process
            for process in parents
            if process != self.root and marked in _read(process, "environ").split(b"\0")
        ]
        for process in found:
            found += [
                child
                for child, parent in parents.items()
                if parent == process and child not in found
            ]
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all living processes; ended ones are their parents'."""
        ticks = 0
        for process in self.processes():
            fields = _read(process, "stat").rpartition(b")")[2].split()
            ticks += sum(map(int, fields[11:15])) if fields else 0
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """Sum of the proportional set sizes: shared pages are counted once."""
        kib = 0
        for process in self.processes():
            match = re.search(rb"^Pss:\s+(\d+) kB", _read(process, "smaps_rollup"), re.MULTILINE)
            kib += int(match[1]) if match else 0
        return kib / 1024

    def freeze(self) -> None:
        """Take the processor away from it."""
        self._signal(signal.SIGSTOP, self.processes())

    def thaw(self) -> None:
        """Children first, so that no parent misses them."""
        self._signal(signal.SIGCONT, reversed(self.processes()))

    def stop(self) -> None:
        """Ask all to end, then make them."""
        members = self.processes()
        self._signal(signal.SIGTERM, members[:1])
        self._signal(signal.SIGCONT, reversed(members))
        until = time.monotonic() + STOP_SECONDS
        while _alive(self.root) and time.monotonic() < until:
            time.sleep(0.05)
        self._signal(signal.SIGKILL, {*self.processes(), *filter(_is_marked(self.mark), members)})

    def _signal(
        self, number: signal.Signals, processes: Iterator[int] | Sequence[int] | set[int]
    ) -> None:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def _is_marked(mark: str) -> Callable[[int], bool]:
    return lambda process: f"{_MARK}={mark}".encode() in _read(process, "environ").split(b"\0")


def _read(process: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{process}/{name}").read_bytes()
    except OSError:
        return b""


def _parent(path: Path) -> int:
    fields = _read(int(path.name), "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _alive(process: int) -> bool:
    fields = _read(process, "stat").rpartition(b")")[2].split()
    return bool(fields) and fields[0] != b"Z"


@contextlib.contextmanager
def running(
    command: Sequence[str],
    settings: Mapping[str, str],
    log: Path,
    answers: Callable[[], bool],
) -> Iterator[Tree]:
    """The command's processes, from when ``answers`` is true until the block ends.

    ``settings`` are added to the environment, from which BentoML's and Pupila's are taken out.
    Raises StartError.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        raise StartError("processor time and memory are read from /proc, so this needs Linux.")
    mark = uuid.uuid4().hex
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PUPILA_", "BENTOML_", "BENCH_")) and name != "PORT"
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env=environment | dict(settings) | {_MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    tree = Tree(server.pid, mark)
    try:
        until = time.monotonic() + START_SECONDS
        while not answers():
            if server.poll() is not None or time.monotonic() > until:
                last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no output"]
                why = "ended" if server.poll() is not None else "did not answer rightly"
                raise StartError(f"{why}; see {log}: {last[0][:200]}")
            time.sleep(0.1)
        yield tree
    finally:
        tree.stop()
        server.wait(10)
