"""How an extractor is run, chosen by what fake ones take.

The fakes spend processor time or wait, so that one way is much better than the others,
whatever else the machine does.
"""

import threading
import time
from types import SimpleNamespace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from models.extractor import Embedder
from serving.inference.plan import MAX_LANES, cpus_of_worker, measured
from settings import Settings

_PASS_SECONDS = 0.004


def _spend(seconds: float) -> None:
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass


class FakeEmbedder:
    """A pass costs ``fixed`` and ``each`` image so much, in processor time; then it waits for
    ``waits`` seconds."""

    def __init__(
        self,
        fixed: float = 0.0,
        each: float = 0.0,
        waits: float = 0.0,
        batch: int | None = None,
    ) -> None:
        self._costs = fixed, each, waits
        self.manifest = SimpleNamespace(batch=batch)
        self.sizes: set[int] = set()

    def run(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        fixed, each, waits = self._costs
        self.sizes.add(len(features))
        _spend(fixed + each * len(features))
        threading.Event().wait(waits)
        return features


def plan_of(
    one: FakeEmbedder, many: FakeEmbedder | None = None, cpus: int = 1, most: int = 64
) -> tuple[Embedder, tuple[int, int, int]]:
    def load(threads: int) -> Embedder:
        return cast("Embedder", one if threads == 1 else many)

    embedder, plan = measured(load, 4, cpus, most)
    return embedder, plan[:3]


def test_a_larger_batch_that_saves_nothing_is_not_taken() -> None:
    _, plan = plan_of(FakeEmbedder(each=_PASS_SECONDS))
    assert plan == (1, 1, 1)


def test_a_larger_batch_that_saves_time_is_taken() -> None:
    _, plan = plan_of(FakeEmbedder(fixed=_PASS_SECONDS))
    assert plan == (1, 1, 8)


def test_a_batch_is_no_larger_than_the_setting_and_the_graph_allow() -> None:
    assert plan_of(FakeEmbedder(fixed=_PASS_SECONDS), most=4)[1] == (1, 1, 4)
    only_one = FakeEmbedder(fixed=_PASS_SECONDS, batch=1)
    assert plan_of(only_one)[1] == (1, 1, 1)
    assert only_one.sizes == {1}


def test_a_slow_graph_is_not_tried_with_more() -> None:
    slow = FakeEmbedder(each=0.08)
    plan_of(slow)
    assert slow.sizes == {1}


def test_each_cpu_gets_a_lane_of_its_own() -> None:
    one = FakeEmbedder(fixed=_PASS_SECONDS)
    chosen, plan = plan_of(one, FakeEmbedder(fixed=_PASS_SECONDS), cpus=2)
    assert plan[:2] == (2, 1)
    assert chosen is cast("Embedder", one)


def test_several_threads_for_one_image_if_that_takes_less_of_the_processors() -> None:
    many = FakeEmbedder(fixed=_PASS_SECONDS / 8)
    chosen, plan = plan_of(FakeEmbedder(fixed=_PASS_SECONDS), many, cpus=2)
    assert plan[:2] == (1, 2)
    assert chosen is cast("Embedder", many)


def test_passes_that_a_busy_neighbour_holds_up_are_no_slower_for_that() -> None:
    held_up = FakeEmbedder(fixed=_PASS_SECONDS, waits=0.05)
    _, plan = plan_of(held_up, FakeEmbedder(fixed=2 * _PASS_SECONDS), cpus=2)
    assert plan[:2] == (2, 1)


def test_there_are_not_more_lanes_than_memory_is_for() -> None:
    cheap = FakeEmbedder(fixed=_PASS_SECONDS / 8)
    _, plan = plan_of(cheap, FakeEmbedder(fixed=_PASS_SECONDS), cpus=100)
    assert plan[0] == MAX_LANES


def test_the_workers_share_the_cpus() -> None:
    assert cpus_of_worker(Settings()) == 1
    assert cpus_of_worker(Settings(workers=1)) >= 1
    assert cpus_of_worker(Settings(workers=200)) == 1
