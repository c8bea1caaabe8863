"""The batcher, with a fake classifier that records the batches it was given."""

import asyncio
import contextlib
import threading
import time
import weakref
from asyncio import Task
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from errors import ClientGoneError, OverloadedError, UnusableScoresError
from models.runtime import Outcome
from serving.inference.batcher import INLINE_SECONDS, Answer, Batcher, Measured
from serving.inference.items import LONG_SECONDS
from serving.inference.pace import Cost
from serving.tracing.trace import TRACE, Trace, clock
from tests.waiting import PATIENCE_SECONDS, until_async

QUICK = 0.0
SLOW = 10.0


class FakeClassifier:
    """Predicts the first feature; fails on a batch with a negative one."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.threads: set[str] = set()
        self.running = threading.Event()
        self.may_run = threading.Event()
        self.may_run.set()

    def run(self, features: NDArray[np.float32]) -> Outcome:
        self.running.set()
        self.may_run.wait(PATIENCE_SECONDS)
        self.sizes.append(len(features))
        self.threads.add(threading.current_thread().name)
        if (features < 0).any():
            raise ValueError("negative")
        return Outcome(features, features[:, 0].astype(np.int64))


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1, "classify") as pool:
        yield pool


def image(value: float) -> NDArray[np.float32]:
    return np.array([value, 0.0], np.float32)


def batcher_of(
    run: Callable[[NDArray[np.float32]], Outcome],
    executor: ThreadPoolExecutor,
    max_batch_size: int,
    expected_seconds: float = QUICK,
) -> Batcher:
    single = Cost(expected_seconds, expected_seconds)
    return Batcher(run, executor, max_batch_size, lambda _size, _waited: None, single)


def later(seconds: float = PATIENCE_SECONDS) -> float:
    return time.monotonic() + seconds


async def traced(batcher: Batcher, value: float, expires: float) -> Trace:
    """An image that is asked about in a request of its own, and is answered or not."""
    trace = Trace("1" * 32, "2" * 16, clock())
    TRACE.set(trace)
    with contextlib.suppress(OverloadedError):
        await batcher.submit(image(value), expires)
    return trace


async def test_scores_that_are_not_numbers_are_no_answer(executor: ThreadPoolExecutor) -> None:
    def run(features: NDArray[np.float32]) -> Outcome:
        return Outcome(features, features.argmax(axis=1))

    batcher = batcher_of(run, executor, 8)
    asked = (batcher.submit(image(value), later()) for value in (1.0, np.nan, 3.0))
    first, second, third = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(second, UnusableScoresError)
    assert isinstance(first, Answer)
    assert isinstance(third, Answer)
    assert third.scores[0] == 3


@pytest.mark.parametrize("seconds", [QUICK, SLOW])
async def test_each_trace_has_the_batch_that_its_requests_share(
    executor: ThreadPoolExecutor, seconds: float
) -> None:
    batcher = batcher_of(FakeClassifier().run, executor, 8, seconds)
    traces = await asyncio.gather(*(traced(batcher, value, later()) for value in range(3)))
    untraced = await batcher.submit(image(3), later())
    assert untraced.label_index == 3
    for place, trace in enumerate(traces):
        queue, batch, inference = trace.stages
        assert queue.attributes["pupila.queue.length"] == place
        assert batch.attributes == {"pupila.batch.size": 3, "pupila.batch.own": 1}
        assert trace.began <= queue.began <= queue.ended == batch.began
        assert batch.began <= inference.began <= inference.ended <= batch.ended
        assert inference.inside is batch


def alone(batcher: Batcher, features: NDArray[np.float32]) -> Measured:
    """What another thread has made of an image."""
    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(batcher.alone, features).result(PATIENCE_SECONDS)
    assert made is not None
    return made


def test_one_that_nobody_waits_for_is_classified_by_whoever_has_it(
    executor: ThreadPoolExecutor,
) -> None:
    fake, sizes = FakeClassifier(), list[tuple[int, float]]()
    single = Cost(SLOW, QUICK)
    batcher = Batcher(fake.run, executor, 8, lambda *size: sizes.append(size), single)
    trace = Trace("1" * 32, "2" * 16, clock())
    token = TRACE.set(trace)
    assert batcher.count(alone(batcher, image(3))).label_index == 3
    TRACE.reset(token)
    assert (fake.sizes, sizes) == ([1], [(1, 0.0)])
    assert batcher.expected_seconds < SLOW
    assert [stage.name for stage in trace.stages] == ["queue", "batch", "inference"]


def test_what_it_raises_there_is_raised_where_it_is_counted(executor: ThreadPoolExecutor) -> None:
    batcher = batcher_of(FakeClassifier().run, executor, 8)
    features = image(-1)
    there = weakref.ref(features)
    made = alone(batcher, features)
    del features
    with contextlib.suppress(ValueError):
        pytest.fail(str(batcher.count(made)))
    assert there() is None, "nothing of it stays until Python looks for cycles"


def test_a_slow_classifier_takes_its_images_in_batches(executor: ThreadPoolExecutor) -> None:
    fake = FakeClassifier()
    assert batcher_of(fake.run, executor, 8, SLOW).alone(image(1)) is None
    assert fake.sizes == []


async def test_a_trace_shows_where_an_image_ran_out_of_time(executor: ThreadPoolExecutor) -> None:
    classifier, batcher, first = await occupied(executor)
    trace = await traced(batcher, 2, later(0.01))
    assert [stage.name for stage in trace.stages] == ["queue"]
    classifier.may_run.set()
    await first


async def occupied(executor: ThreadPoolExecutor) -> tuple[FakeClassifier, Batcher, Task[Answer]]:
    """A batcher at work on the item 1 until the classifier ``may_run``, and that item's task."""
    fake = FakeClassifier()
    fake.may_run.clear()
    batcher = batcher_of(fake.run, executor, 8, expected_seconds=SLOW)
    first = asyncio.create_task(batcher.submit(image(1), later()))
    await until_async(fake.running.is_set)
    return fake, batcher, first


async def test_a_lone_item_runs_at_once(executor: ThreadPoolExecutor) -> None:
    fake = FakeClassifier()
    answer = await batcher_of(fake.run, executor, 8).submit(image(3), later())
    assert answer.label_index == 3
    assert fake.sizes == [1]


async def test_items_of_one_moment_share_a_batch(executor: ThreadPoolExecutor) -> None:
    fake = FakeClassifier()
    batcher = batcher_of(fake.run, executor, 8)
    answers = await asyncio.gather(*(batcher.submit(image(n), later()) for n in range(5)))
    assert [answer.label_index for answer in answers] == [0, 1, 2, 3, 4]
    assert fake.sizes == [5]


async def test_a_batch_takes_no_more_than_the_maximum(executor: ThreadPoolExecutor) -> None:
    fake = FakeClassifier()
    batcher = batcher_of(fake.run, executor, 4)
    answers = await asyncio.gather(*(batcher.submit(image(n), later()) for n in range(10)))
    assert [answer.label_index for answer in answers] == list(range(10))
    assert fake.sizes == [4, 4, 2]


async def test_arrivals_during_a_slow_batch_form_the_next(executor: ThreadPoolExecutor) -> None:
    fake, batcher, first = await occupied(executor)
    others = [asyncio.create_task(batcher.submit(image(n), later())) for n in (2, 3, 4)]
    await until_async(lambda: batcher.queued == 3)
    fake.may_run.set()
    assert [answer.label_index for answer in await asyncio.gather(first, *others)] == [1, 2, 3, 4]
    assert fake.sizes == [1, 3]


async def test_a_slow_classifier_runs_on_a_thread(executor: ThreadPoolExecutor) -> None:
    fake = FakeClassifier()
    await batcher_of(fake.run, executor, 8, expected_seconds=SLOW).submit(image(1), later())
    assert fake.threads == {"classify_0"}


async def test_a_quick_classifier_runs_on_the_event_loop(executor: ThreadPoolExecutor) -> None:
    fake = FakeClassifier()
    await batcher_of(fake.run, executor, 8, expected_seconds=QUICK).submit(image(1), later())
    assert fake.threads == {threading.current_thread().name}


@pytest.mark.parametrize("expected_seconds", [QUICK, SLOW])
async def test_an_item_that_fails_fails_alone(
    executor: ThreadPoolExecutor, expected_seconds: float
) -> None:
    fake = FakeClassifier()
    batcher = batcher_of(fake.run, executor, 8, expected_seconds)
    good, bad, other = await asyncio.gather(
        *(batcher.submit(image(value), later()) for value in (1, -1, 2)), return_exceptions=True
    )
    assert isinstance(bad, ValueError)
    assert not isinstance(good, BaseException)
    assert not isinstance(other, BaseException)
    assert (good.label_index, other.label_index) == (1, 2)


async def test_a_failure_does_not_stop_the_batcher(executor: ThreadPoolExecutor) -> None:
    batcher = batcher_of(FakeClassifier().run, executor, 8)
    with pytest.raises(ValueError, match="negative"):
        await batcher.submit(image(-1), later())
    assert (await batcher.submit(image(5), later())).label_index == 5


async def test_a_cancelled_item_leaves_the_queue(executor: ThreadPoolExecutor) -> None:
    fake, batcher, first = await occupied(executor)
    leaving = asyncio.create_task(batcher.submit(image(2), later()))
    staying = asyncio.create_task(batcher.submit(image(3), later()))
    await until_async(lambda: batcher.queued == 2)
    leaving.cancel()
    fake.may_run.set()
    assert (await first).label_index == 1
    assert (await staying).label_index == 3
    assert fake.sizes == [1, 1]


async def test_an_expired_item_is_refused_and_costs_no_inference(
    executor: ThreadPoolExecutor,
) -> None:
    fake, batcher, first = await occupied(executor)
    with pytest.raises(OverloadedError, match="in time"):
        await batcher.submit(image(2), later(0.01))
    fake.may_run.set()
    assert (await first).label_index == 1
    assert (await batcher.submit(image(3), later())).label_index == 3
    assert fake.sizes == [1, 1]


async def test_an_idle_batcher_expects_no_wait(executor: ThreadPoolExecutor) -> None:
    batcher = batcher_of(FakeClassifier().run, executor, 8, expected_seconds=SLOW)
    assert batcher.expected_wait == 0.0


async def test_a_busy_batcher_expects_to_wait_for_the_batches_ahead(
    executor: ThreadPoolExecutor,
) -> None:
    fake = FakeClassifier()
    fake.may_run.clear()
    batcher = batcher_of(fake.run, executor, 2, expected_seconds=SLOW)
    tasks = [asyncio.create_task(batcher.submit(image(n), later())) for n in range(5)]
    await until_async(lambda: batcher.queued == 3)
    # A batch of 2 runs and 3 items wait: with the newcomer two more batches of 2, and an item
    # is expected to take as long as the first did.
    assert batcher.expected_wait == 6 * SLOW
    fake.may_run.set()
    await asyncio.gather(*tasks)


async def test_what_nobody_waits_for_any_more_costs_no_inference(
    executor: ThreadPoolExecutor,
) -> None:
    fake, batcher, first = await occupied(executor)
    gone = asyncio.create_task(batcher.submit(image(2), later(), client_gone=lambda: True))
    there = asyncio.create_task(batcher.submit(image(3), later(), client_gone=lambda: False))
    await until_async(lambda: batcher.queued == 2)
    long_ago = later(LONG_SECONDS)
    await until_async(lambda: time.monotonic() > long_ago)
    fake.may_run.set()
    assert (await first).label_index == 1
    assert (await there).label_index == 3
    with pytest.raises(ClientGoneError):
        await gone
    assert fake.sizes == [1, 1]


async def test_each_batch_is_told_with_its_size(executor: ThreadPoolExecutor) -> None:
    told: list[tuple[int, float]] = []
    batcher = Batcher(
        FakeClassifier().run,
        executor,
        4,
        lambda size, waited: told.append((size, waited)),
        Cost(QUICK, QUICK),
    )
    await asyncio.gather(*(batcher.submit(image(n), later()) for n in range(6)))
    assert [size for size, _ in told] == [4, 2]
    assert all(waited >= 0 for _, waited in told)


async def test_an_item_that_has_expired_already_is_not_queued(
    executor: ThreadPoolExecutor,
) -> None:
    fake = FakeClassifier()
    with pytest.raises(OverloadedError, match="in time"):
        await batcher_of(fake.run, executor, 8).submit(image(1), later(-1))
    assert fake.sizes == []


async def test_it_learns_that_a_classifier_is_quick(executor: ThreadPoolExecutor) -> None:
    fake = FakeClassifier()
    batcher = batcher_of(fake.run, executor, 8, expected_seconds=2 * INLINE_SECONDS)
    for _ in range(10):
        await batcher.submit(image(1), later())
    assert fake.threads == {"classify_0", threading.current_thread().name}


async def test_it_learns_that_large_batches_are_slow(executor: ThreadPoolExecutor) -> None:
    def run(features: NDArray[np.float32]) -> Outcome:
        threads.append(threading.current_thread().name)
        ends = time.thread_time() + len(features) * INLINE_SECONDS / 4
        while time.thread_time() < ends:
            pass
        return Outcome(features, features[:, 0].astype(np.int64))

    threads: list[str] = []
    batcher = batcher_of(run, executor, 8)
    for _ in range(20):
        await asyncio.gather(*(batcher.submit(image(n), later()) for n in range(8)))
        await batcher.submit(image(1), later())
    here = threading.current_thread().name
    assert threads[-2:] == ["classify_0", here], "eight on a thread, a lone one here"


async def test_nobody_waits_for_an_executor_that_was_shut_down() -> None:
    executor = ThreadPoolExecutor(1)
    batcher = batcher_of(FakeClassifier().run, executor, 8, expected_seconds=SLOW)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        await batcher.submit(image(1), later())


@pytest.mark.usefixtures("uncollected")
async def test_an_image_that_waited_too_long_is_free_at_once(executor: ThreadPoolExecutor) -> None:
    fake, features = FakeClassifier(), image(1)
    fake.may_run.clear()
    held, batcher = weakref.ref(features), batcher_of(fake.run, executor, 1, SLOW)
    before = asyncio.create_task(batcher.submit(image(2), later()))
    await until_async(fake.running.is_set)
    asking = asyncio.create_task(batcher.submit(features, later(0.05)))
    del features
    with contextlib.suppress(OverloadedError):
        pytest.fail(str(await asking))
    del asking
    fake.may_run.set()
    await before
    await until_async(lambda: held() is None, "no image in memory")
