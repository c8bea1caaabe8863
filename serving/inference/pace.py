"""How long the next batch of a classifier will take, learned from the last ones."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

# Weight of the newest batch in the moving average of a batch's duration.
_NEWEST = 0.2


class Cost(NamedTuple):
    """What a batch costs, in wall time and in CPU time."""

    seconds: float
    cpu_seconds: float


def cost_of(run: Callable[[], object], cpu_clock: Callable[[], float] = time.thread_time) -> Cost:
    """What one run costs, in the processor time of its thread unless another clock is given."""
    started, cpu_started = time.perf_counter(), cpu_clock()
    run()
    return Cost(time.perf_counter() - started, cpu_clock() - cpu_started)


def least(costs: Iterable[Cost]) -> Cost:
    """Of both the least: a busy machine makes runs longer, and never shorter."""
    seconds, cpu_seconds = zip(*costs, strict=True)
    return Cost(min(seconds), min(cpu_seconds))


def least_cost(run: Callable[[], object], runs: int, within_seconds: float) -> Cost:
    """The least of at most so many runs, of which the last begins within this time."""
    costs: list[Cost] = []
    ends = time.monotonic() + within_seconds
    while not costs or (len(costs) < runs and time.monotonic() < ends):
        costs.append(cost_of(run))
    return least(costs)


class Pace:
    """The expected duration of a batch of any size: so much for one image, so much for each more.

    Two moving averages, because a batch of 64 rarely takes 64 times as long as a batch of 1, and a
    single average would describe neither.
    """

    def __init__(self, single: float, each: float | None = None) -> None:
        """Begun with what one image costs, and each more if that is known."""
        self._single = single
        self._each = single if each is None else each

    def expect(self, size: int) -> float:
        return self._single + (size - 1) * self._each if size else 0.0

    def learn(self, size: int, seconds: float) -> None:
        if size == 1:
            self._single += _NEWEST * (seconds - self._single)
        else:
            each = max(0.0, seconds - self._single) / (size - 1)
            self._each += _NEWEST * (each - self._each)
