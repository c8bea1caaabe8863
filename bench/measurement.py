"""What was measured, and its medians over the rounds."""

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from bench.plan import Result

Quantity = Literal["rate", "p50_ms", "p99_ms", "cpu_us", "memory_mib"]


@dataclass(frozen=True)
class Stage:
    """So many clients; ``after`` is how many there were up to the moment before."""

    clients: int
    after: int | None = None

    def __str__(self) -> str:
        burst = f", right after {self.after}" if self.after else ""
        return f"{self.clients} client{'s' if self.clients > 1 else ''}{burst}"


@dataclass(frozen=True)
class Measurement:
    """One server under one load once. ``rate``: right answers a second; ``cpu_us``: processor time
    of all its processes for each; ``memory_mib``: their proportional set size, 0 if unknown."""

    model: str
    server: str
    stage: Stage
    round: int
    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    client_us: float
    memory_mib: float
    right: int
    wrong: int
    first_wrong: str

    @classmethod
    def of(
        cls, model: str, server: str, stage: Stage, number: int, result: Result, memory_mib: float
    ) -> "Measurement":
        right = max(result.right, 1)
        return cls(
            model=model,
            server=server,
            stage=stage,
            round=number,
            rate=result.right / result.seconds if result.seconds else 0.0,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            cpu_us=result.server_cpu_seconds / right * 1e6,
            client_us=result.client_cpu_seconds / right * 1e6,
            memory_mib=memory_mib,
            right=result.right,
            wrong=result.wrong + result.refused + result.lost,
            first_wrong=result.first_wrong,
        )


class Measurements(list[Measurement]):
    """All of a run."""

    def of(self, model: str, server: str, stage: Stage) -> "Measurements":
        chosen = (one for one in self if (one.model, one.server) == (model, server))
        return Measurements(one for one in chosen if one.stage == stage)

    def median(self, quantity: Quantity) -> float | None:
        """None where nothing was measured, or nothing was ever right."""
        values = [getattr(one, quantity) for one in self if one.right]
        return statistics.median(values) if values else None

    def ratio(self, other: "Measurements", quantity: Quantity) -> float | None:
        """The median of each round's ratio: what slows the machine in a round slows both."""
        theirs = {one.round: getattr(one, quantity) for one in other if one.right}
        ratios = [
            getattr(one, quantity) / theirs[one.round]
            for one in self
            if one.right and theirs.get(one.round)
        ]
        return statistics.median(ratios) if ratios else None


def distinct(values: Iterable[str]) -> list[str]:
    """In order of appearance."""
    return list(dict.fromkeys(values))


def best_microseconds(part: Callable[[], object], repeats: int = 300) -> float:
    """Of this thread's processor time, the best of many: the machine is shared."""
    times = []
    for _ in range(repeats):
        started = time.thread_time_ns()
        part()
        times.append(time.thread_time_ns() - started)
    return min(times) / 1000
