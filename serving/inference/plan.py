"""How an extractor runs in this worker: on how many threads, and how many images at a time.

Chosen by a measurement when it is loaded, since neither the graph nor the machine is known before:
a batch of eight may save a third of the time an image, or nothing, and then it only adds to how
long the first of them waits.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

import internals
from models.extractor import Embedder
from serving.inference.pace import Cost, cost_of, least, least_cost
from settings import Settings

MAX_LANES: Final = 8
"""Each needs the memory of a pass: some 20 MB."""

_SIZES: Final = (2, 4, 8)

# A larger batch must save this part of the time an image.
_WORTHWHILE: Final = 0.95

# And take no longer than this: whoever comes next waits for all of it.
_LONGEST_SECONDS: Final = 0.15

# Several threads for one image must take so many times less processor time than each alone beside
# the others: here two threads took more, and what else the machine does hits them harder.
_FASTER: Final = 1.2

_RUNS: Final = 3
_COST_SECONDS: Final = 0.2
_COMPARE_SECONDS: Final = 0.4
_COMPARISONS: Final = 10


class Plan(NamedTuple):
    """``lanes`` passes at the same time, each of up to ``batch`` images on ``threads`` threads.

    ``single``: the cost of a batch of one; ``full``: of one of ``batch``.
    """

    lanes: int
    threads: int
    batch: int
    single: Cost
    full: Cost


def cpus_of_worker(settings: Settings) -> int:
    """Those that a worker may use: its part of what the container may."""
    cpus = internals.available_cpus()
    return max(1, cpus // (settings.workers or cpus))


def measured(
    load: Callable[[int], Embedder], n_features: int, cpus: int, max_batch_size: int
) -> tuple[Embedder, Plan]:
    """The embedder to use, and how. ``load``: one that runs on that many threads.

    Takes a dozen passes; more than one CPU adds up to 0.4 s.
    """
    embedder = load(1)
    images = np.zeros((embedder.manifest.batch or max(_SIZES), n_features), np.float32)
    # The first pass allocates, and would make a batch of one look dear.
    embedder.run(images[:1])
    single = full = _cost(embedder, images[:1])
    batch = 1
    for size in _SIZES:
        # By processor time, which a busy machine does not stretch.
        longest = single.cpu_seconds * size
        if size > min(max_batch_size, len(images)) or longest > _LONGEST_SECONDS:
            break
        cost = _cost(embedder, images[:size])
        if cost.cpu_seconds / size < full.cpu_seconds / batch * _WORTHWHILE:
            batch, full = size, cost
    lanes = min(cpus, MAX_LANES)
    if lanes > 1:
        wide = load(lanes)
        batches = [images[:batch]] * lanes
        with ThreadPoolExecutor(lanes) as threads:
            alone, abreast = _compared(
                lambda: _of_process(lambda: list(map(wide.run, batches))),
                lambda: _of_threads(threads.map(partial(_of_thread, embedder), batches)),
            )
        if alone.cpu_seconds * _FASTER < abreast.cpu_seconds:
            return wide, Plan(1, lanes, batch, _cost(wide, images[:1]), _cost(wide, images[:batch]))
    return embedder, Plan(lanes, 1, batch, single, full)


def _cost(embedder: Embedder, images: NDArray[np.float32]) -> Cost:
    return least_cost(partial(embedder.run, images), _RUNS, _COST_SECONDS)


def _compared(first: Callable[[], Cost], second: Callable[[], Cost]) -> tuple[Cost, Cost]:
    """What they cost: the least of runs that take turns, without those that begin.

    By one run of each, some starts of a server chose a plan that was a quarter slower, and kept
    it; by the time that passes in place of the processor's, most of those beside a busy neighbour.
    """
    costs: list[tuple[Cost, Cost]] = []
    ends = time.monotonic() + _COMPARE_SECONDS
    while len(costs) < 2 or (len(costs) <= _COMPARISONS and time.monotonic() < ends):
        costs.append((first(), second()))
    return least(cost for cost, _ in costs[1:]), least(cost for _, cost in costs[1:])


def _of_thread(embedder: Embedder, images: NDArray[np.float32]) -> Cost:
    """Of one that runs on the thread that calls it."""
    return cost_of(partial(embedder.run, images))


def _of_threads(costs: Iterable[Cost]) -> Cost:
    """Of passes side by side."""
    done = list(costs)
    return Cost(max(cost.seconds for cost in done), sum(cost.cpu_seconds for cost in done))


def _of_process(run: Callable[[], object]) -> Cost:
    """Of one with threads of its own. What else the process does counts too, which only makes it
    look dearer: then it is not taken."""
    return cost_of(run, time.process_time)
