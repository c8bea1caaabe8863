"""The lanes of an extractor, with a fake one that records the batches it was given."""

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from asyncio import Task
from functools import partial
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from errors import ClientGoneError, OverloadedError
from images.spec import ImageSpec
from models.extractor import Embedder
from serving.inference.activity import Activity
from serving.inference.items import LONG_SECONDS
from serving.inference.lanes import Embedding, Lanes
from serving.inference.lone import Lone
from serving.inference.pace import Cost
from serving.inference.plan import Plan
from serving.series import ExtractorMetrics
from serving.tracing.trace import TRACE, Trace, clock
from tests.waiting import PATIENCE_SECONDS, until_async

SPEC = ImageSpec(mode="L", width=2, height=1, scale=255.0)
BAD = 255


class FakeEmbedder:
    """Gives twice the pixels; fails on a batch with a pixel of 255. Waits until it may run, and
    takes some seconds."""

    def __init__(self, held: bool = False, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self.sizes: list[int] = []
        self.threads: set[int] = set()
        self.at_once = self.most_at_once = 0
        self.may_run = threading.Event()
        if not held:
            self.may_run.set()

    def run(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        self.sizes.append(len(features))
        self.threads.add(threading.get_ident())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.may_run.wait(PATIENCE_SECONDS)
        threading.Event().wait(self._seconds)
        self.at_once -= 1
        if (features == BAD).any():
            raise ValueError("a bad pixel")
        return features * 2

    def shrink(self) -> None:
        """It has taken nothing."""


def lanes_of(
    embedder: FakeEmbedder,
    lanes: int = 1,
    batch: int = 4,
    seconds: float = 0.0,
    lone: Lone | None = None,
    activity: Activity | None = None,
    cpus: int = 1,
) -> Lanes:
    cost = Cost(seconds, seconds)
    plan = Plan(lanes, 1, batch, cost, Cost(seconds * batch, seconds * batch))
    metrics = ExtractorMetrics("fake:1")
    return Lanes(cast("Embedder", embedder), plan, metrics, lone, activity, cpus)


def photo(value: int) -> NDArray[np.uint8]:
    return np.array([value, 0], np.uint8)


def later(seconds: float = PATIENCE_SECONDS) -> float:
    return time.monotonic() + seconds


def _note(order: list[int], value: int, _task: object) -> None:
    order.append(value)


def submit(lanes: Lanes, value: int, expires: float | None = None, **more: Any) -> Task[Embedding]:
    return asyncio.create_task(
        lanes.submit(photo(value), SPEC, later() if expires is None else expires, **more)
    )


async def started(embedder: FakeEmbedder, passes: int = 1) -> None:
    await until_async(lambda: len(embedder.sizes) >= passes, "a pass")


async def test_each_image_gets_its_own_embedding() -> None:
    lanes = lanes_of(FakeEmbedder())
    answers = await asyncio.gather(*(submit(lanes, value) for value in range(9)))
    assert [answer[0] for answer in answers] == [2.0 * value for value in range(9)]
    assert answers[0].dtype == np.float32


async def test_a_trace_has_the_way_of_an_image() -> None:
    trace = Trace("1" * 32, "2" * 16, clock())
    TRACE.set(trace)
    await lanes_of(FakeEmbedder()).submit(photo(1), SPEC, later())
    queue, batch, inference = trace.stages
    assert (queue.name, batch.name, inference.name) == ("queue", "batch", "inference")
    assert queue.attributes == {"pupila.extractor": "fake:1", "pupila.queue.length": 0}
    assert batch.attributes["pupila.batch.size"] == 1
    assert queue.ended == batch.began <= inference.began <= inference.ended <= batch.ended


async def lone_ones(lanes: Lanes, lone: Lone, images: int = 10) -> None:
    """So many have come alone, after which there is something that runs on all threads."""
    for value in range(images):
        await submit(lanes, value)
    await until_async(lambda: lone.embedder is not None, "all threads")


async def test_a_lone_image_is_run_on_all_threads() -> None:
    usual, wide = FakeEmbedder(), FakeEmbedder(held=True)
    lone = Lone(lambda: cast("Embedder", wide))
    lanes = lanes_of(usual, lanes=2, lone=lone)
    await lone_ones(lanes, lone)
    first = submit(lanes, 1)
    await started(wide)
    # While one is under way, nobody is alone.
    assert (await submit(lanes, 2))[0] == 4.0
    wide.may_run.set()
    assert (await first)[0] == 2.0
    await asyncio.gather(submit(lanes, 3), submit(lanes, 4))
    assert (wide.sizes, usual.sizes) == ([1], [1] * 13)


async def test_one_after_another_is_run_on_the_same_thread_which_alone_is_woken() -> None:
    embedder = FakeEmbedder()
    lanes = lanes_of(embedder, lanes=3, batch=1)
    await asyncio.gather(*(submit(lanes, value) for value in range(6)))
    assert len(embedder.threads) == 3
    embedder.threads.clear()
    for value in range(6):
        await submit(lanes, value)
    assert len(embedder.threads) == 1


async def test_lone_images_show_which_way_is_faster() -> None:
    usual, wide = FakeEmbedder(), FakeEmbedder(seconds=0.02)
    lone = Lone(lambda: cast("Embedder", wide))
    lanes = lanes_of(usual, lanes=2, lone=lone)
    await lone_ones(lanes, lone)
    for value in range(20):
        await submit(lanes, value)
    assert (len(wide.sizes), len(usual.sizes)) == (9, 21)


async def test_nobody_is_alone_while_others_use_the_processors() -> None:
    usual, wide, activity = FakeEmbedder(), FakeEmbedder(), Activity()
    lone = Lone(lambda: cast("Embedder", wide))
    lanes = lanes_of(usual, lanes=2, lone=lone, activity=activity)
    await lone_ones(lanes, lone)
    activity.begin()
    await submit(lanes, 1)
    assert (wide.sizes, usual.sizes) == ([], [1] * 11)
    activity.end()
    await submit(lanes, 2)
    assert (wide.sizes, usual.sizes) == ([1], [1] * 11)


async def test_what_other_workers_leave_is_for_more_lanes() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder, lanes=1, batch=1, cpus=3)
    tasks = [submit(lanes, value) for value in range(6)]
    await started(embedder, 3)
    assert embedder.most_at_once == 3
    embedder.may_run.set()
    assert [answer[0] for answer in await asyncio.gather(*tasks)] == [0, 2, 4, 6, 8, 10]
    assert embedder.most_at_once == 3


async def test_what_other_workers_use_is_not() -> None:
    embedder, activity = FakeEmbedder(held=True), Activity()
    lanes = lanes_of(embedder, lanes=1, batch=1, activity=activity, cpus=3)
    for _ in range(2):
        activity.begin()
    tasks = [submit(lanes, value) for value in range(6)]
    await started(embedder)
    embedder.may_run.set()
    await asyncio.gather(*tasks)
    assert embedder.most_at_once == 1


async def test_others_see_that_a_pass_is_under_way() -> None:
    embedder, activity = FakeEmbedder(held=True), Activity()
    task = submit(lanes_of(embedder, activity=activity), 1)
    await started(embedder)
    assert not activity.is_none
    embedder.may_run.set()
    await task
    assert activity.is_none


@pytest.mark.usefixtures("uncollected")
async def test_an_image_that_waited_too_long_is_free_at_once() -> None:
    embedder, pixels = FakeEmbedder(held=True), photo(1)
    lanes, held = lanes_of(embedder), weakref.ref(pixels)
    before = submit(lanes, 2)
    await started(embedder)
    asking = asyncio.create_task(lanes.submit(pixels, SPEC, later(0.05)))
    del pixels
    with contextlib.suppress(OverloadedError):
        pytest.fail(str(await asking))
    del asking
    embedder.may_run.set()
    await before
    await until_async(lambda: held() is None, "no image in memory")


async def test_images_of_one_turn_share_a_pass() -> None:
    embedder = FakeEmbedder()
    lanes = lanes_of(embedder, batch=4)
    await asyncio.gather(*(submit(lanes, value) for value in range(6)))
    assert embedder.sizes == [4, 2]


async def test_two_lanes_take_two_images_at_the_same_time() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder, lanes=2)
    waiting = [submit(lanes, value) for value in range(2)]
    await started(embedder, 2)
    embedder.may_run.set()
    await asyncio.gather(*waiting)
    assert embedder.sizes == [1, 1]
    assert embedder.most_at_once == 2


async def test_what_arrives_during_a_pass_is_taken_by_the_next() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder)
    waiting = [submit(lanes, 1)]
    await started(embedder)
    waiting += [submit(lanes, value) for value in (2, 3)]
    await asyncio.sleep(0)
    embedder.may_run.set()
    await asyncio.gather(*waiting)
    assert embedder.sizes == [1, 2]


class Stints(Activity):
    """How many passes there have been when a lane hands over."""

    def __init__(self, embedder: FakeEmbedder) -> None:
        super().__init__()
        self._embedder = embedder
        self.passes: list[int] = []

    def end(self) -> None:
        super().end()
        self.passes.append(len(self._embedder.sizes))


async def test_while_many_wait_a_lane_hands_over_after_several_passes() -> None:
    embedder = FakeEmbedder()
    stints = Stints(embedder)
    lanes = lanes_of(embedder, batch=1, seconds=0.001, activity=stints)
    answers = await asyncio.gather(*(submit(lanes, value) for value in range(9)))
    assert [answer[0] for answer in answers] == [2.0 * value for value in range(9)]
    assert stints.passes[0] == 9
    assert embedder.sizes == [1] * 9


@pytest.mark.parametrize(
    ("images", "seconds", "in_batch"), [(3, 0.001, False), (9, 0.05, False), (9, 0.001, True)]
)
async def test_few_a_slow_pass_and_a_large_request_are_handed_over_at_once(
    images: int, seconds: float, in_batch: bool
) -> None:
    embedder = FakeEmbedder()
    stints = Stints(embedder)
    lanes = lanes_of(embedder, batch=1, seconds=seconds, activity=stints)
    waiting = [submit(lanes, value) for value in range(images)]
    await asyncio.gather(*waiting, *([submit(lanes, 9, in_batch=True)] if in_batch else []))
    assert stints.passes[0] == 1


class SomeHeld(FakeEmbedder):
    """Holds the passes of some images."""

    def __init__(self, *values: int) -> None:
        super().__init__()
        self._values = values
        self.released = threading.Event()

    def run(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        if np.isin(features, self._values).any():
            self.released.wait(2 * PATIENCE_SECONDS)
        return super().run(features)


async def test_on_a_processor_of_another_worker_a_lane_does_one_pass() -> None:
    embedder = SomeHeld(1, 10)
    lanes = lanes_of(embedder, batch=1, seconds=0.001, cpus=2)
    waiting = [submit(lanes, value) for value in range(1, 17)]
    # The lane of its own has the first eight.
    await until_async(waiting[8].done, "the image of value 9")
    assert sum(task.done() for task in waiting) == 1
    embedder.released.set()
    await asyncio.gather(*waiting)


async def test_who_has_gone_by_their_pass_costs_none() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder, batch=1, seconds=0.001)
    waiting = [submit(lanes, value) for value in range(4)]
    await started(embedder)
    waiting[1].cancel()
    await asyncio.sleep(0)
    embedder.may_run.set()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert embedder.sizes == [1] * 3


async def test_it_never_runs_on_the_event_loop() -> None:
    embedder = FakeEmbedder()
    await submit(lanes_of(embedder), 1)
    assert threading.get_ident() not in embedder.threads


async def test_one_image_fails_alone() -> None:
    lanes = lanes_of(FakeEmbedder())
    good, bad, other = (submit(lanes, value) for value in (1, BAD, 3))
    assert (await good)[0] == 2
    assert (await other)[0] == 6
    with pytest.raises(ValueError, match="a bad pixel"):
        await bad


async def test_a_cancelled_image_costs_no_pass() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder, batch=1)
    first = submit(lanes, 1)
    await started(embedder)
    second, third = submit(lanes, 2), submit(lanes, 3)
    await asyncio.sleep(0)
    second.cancel()
    embedder.may_run.set()
    await asyncio.gather(first, third)
    assert embedder.sizes == [1, 1]


async def test_at_the_deadline_a_pass_is_not_waited_for() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder)
    with pytest.raises(OverloadedError, match="could not be answered in time"):
        await submit(lanes, 1, later(0.05))
    embedder.may_run.set()
    assert (await submit(lanes, 2))[0] == 4


async def test_an_image_that_would_wait_too_long_is_refused_at_once() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder, batch=1, seconds=10.0)
    first = submit(lanes, 1)
    await started(embedder)
    with pytest.raises(OverloadedError, match="refused immediately") as refusal:
        await submit(lanes, 2, later(5.0))
    assert refusal.value.retry_after >= 10
    embedder.may_run.set()
    await first


async def test_an_idle_extractor_refuses_nobody_by_its_pace() -> None:
    lanes = lanes_of(FakeEmbedder(), seconds=10_000.0)
    assert lanes.expected_wait == 0
    await submit(lanes, 1)


async def test_the_expected_wait_grows_with_the_queue_and_shrinks_with_the_lanes() -> None:
    waits = []
    for number in (1, 2):
        embedder = FakeEmbedder(held=True)
        lanes = lanes_of(embedder, lanes=number, batch=1, seconds=1.0)
        waiting = [submit(lanes, value) for value in range(8)]
        await started(embedder, number)
        waits.append(lanes.expected_wait)
        embedder.may_run.set()
        await asyncio.gather(*waiting)
    assert waits == [pytest.approx(8.5), pytest.approx(4.0)]


async def test_the_images_of_a_large_request_take_turns_with_the_others() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder, batch=1)
    first = submit(lanes, 0)
    await started(embedder)
    order: list[int] = []
    waiting = [submit(lanes, value, in_batch=True) for value in range(1, 6)]
    await asyncio.sleep(0)
    waiting += [submit(lanes, value) for value in (11, 12)]
    for task, value in zip(waiting, (1, 2, 3, 4, 5, 11, 12), strict=True):
        task.add_done_callback(partial(_note, order, value))
    await asyncio.sleep(0)
    embedder.may_run.set()
    await asyncio.gather(first, *waiting)
    assert max(order.index(11), order.index(12)) <= 3
    assert [value for value in order if value < 10] == [1, 2, 3, 4, 5]


async def test_a_single_image_is_not_refused_for_those_of_a_large_request() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder, batch=1, seconds=1.0)
    waiting = [submit(lanes, 0)]
    await started(embedder)
    waiting += [submit(lanes, value, in_batch=True) for value in range(20)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="refused immediately"):
        await submit(lanes, 1, later(10.0), in_batch=True)
    waiting.append(submit(lanes, 1, later(10.0)))
    await asyncio.sleep(0)
    embedder.may_run.set()
    await asyncio.gather(*waiting)


async def test_a_client_that_has_left_costs_no_pass() -> None:
    embedder = FakeEmbedder(held=True)
    lanes = lanes_of(embedder, batch=1)
    first = submit(lanes, 1)
    await started(embedder)
    gone = submit(lanes, 2, client_gone=lambda: True)
    arrived = time.monotonic()
    await until_async(lambda: time.monotonic() > arrived + 2 * LONG_SECONDS)
    embedder.may_run.set()
    await first
    with pytest.raises(ClientGoneError):
        await gone
    assert embedder.sizes == [1]


async def test_lanes_that_nobody_uses_are_freed_with_their_threads() -> None:
    embedder = FakeEmbedder()
    lanes = lanes_of(embedder)
    await submit(lanes, 1)
    gone = weakref.ref(lanes)
    del lanes

    def freed() -> bool:
        # A thread lets go of its last pass a moment after that has ended.
        gc.collect()
        return gone() is None

    await until_async(freed, "their end")
    threads = embedder.threads
    await until_async(
        lambda: not threads & {thread.ident for thread in threading.enumerate()}, "its threads' end"
    )
