"""Work on threads, and who hears of its end."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.offloop import on_thread
from tests.waiting import PATIENCE_SECONDS, until_async


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def test_what_was_made_comes_after_the_end_was_told(threads: ThreadPoolExecutor) -> None:
    told: list[str] = []
    made = await on_thread(threads, lambda: told.append("ended"), divmod, 7, 2)
    assert (made, told) == ((3, 1), ["ended"])


async def test_what_was_raised_is_raised(threads: ThreadPoolExecutor) -> None:
    told: list[str] = []
    with pytest.raises(ZeroDivisionError):
        await on_thread(threads, lambda: told.append("ended"), divmod, 1, 0)
    assert told == ["ended"]


async def test_the_end_is_told_though_nobody_waits(threads: ThreadPoolExecutor) -> None:
    told: list[str] = []
    may_end = threading.Event()
    waiting = asyncio.create_task(
        on_thread(threads, lambda: told.append("ended"), may_end.wait, PATIENCE_SECONDS)
    )
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert told == []
    may_end.set()
    await until_async(lambda: told, "the end")


async def test_what_never_begins_is_cancelled() -> None:
    told: list[str] = []
    may_end = threading.Event()
    threads = ThreadPoolExecutor(1)
    first = asyncio.create_task(on_thread(threads, lambda: None, may_end.wait, PATIENCE_SECONDS))
    second = asyncio.create_task(on_thread(threads, lambda: told.append("ended"), divmod, 7, 2))
    await asyncio.sleep(0)
    threads.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(asyncio.CancelledError):
        await second
    assert told == ["ended"]
    may_end.set()
    assert await first


def test_a_loop_that_is_closed_hears_nothing(threads: ThreadPoolExecutor) -> None:
    may_end, ended = threading.Event(), threading.Event()

    def work() -> None:
        may_end.wait(PATIENCE_SECONDS)

    async def give_up() -> None:
        waiting = asyncio.create_task(on_thread(threads, ended.set, work))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(give_up())
    may_end.set()
    threads.shutdown()
    assert not ended.is_set()
