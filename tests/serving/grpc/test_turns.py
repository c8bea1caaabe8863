"""Turns at reading messages."""

import asyncio

import pytest

from errors import BodyTimeoutError
from serving.grpc.turns import Turns
from tests.waiting import PATIENCE_SECONDS


async def nothing() -> bytes:
    """A message that never comes."""
    await asyncio.get_running_loop().create_future()
    return b""


async def message() -> bytes:
    return b"message"


async def started(turns: Turns, count: int) -> list[asyncio.Task[bytes]]:
    """Readers that wait for ever, in their order."""
    tasks = [asyncio.create_task(turns.take(nothing)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def ended(tasks: list[asyncio.Task[bytes]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_whoever_is_alone_may_take_as_long_as_he_likes() -> None:
    turns = Turns(2, grace=0.0)
    tasks = await started(turns, 1)
    assert await turns.take(message) == b"message"
    assert not tasks[0].done()
    await ended(tasks)


async def test_the_oldest_gives_way() -> None:
    turns = Turns(2, grace=0.05)
    tasks = await started(turns, 2)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await turns.take(message) == b"message"
    with pytest.raises(BodyTimeoutError):
        await tasks[0]
    assert not tasks[1].done()
    await ended(tasks)


async def test_nobody_gives_way_before_his_time() -> None:
    turns = Turns(1, grace=PATIENCE_SECONDS)
    tasks = await started(turns, 1)
    waiting = asyncio.create_task(turns.take(message))
    await asyncio.sleep(0)
    assert not tasks[0].done()
    await ended(tasks)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await waiting == b"message"


async def test_who_gives_up_leaves_a_turn() -> None:
    turns = Turns(1, grace=PATIENCE_SECONDS)
    tasks = await started(turns, 3)
    await ended(tasks)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await turns.take(message) == b"message"


async def test_a_failure_leaves_a_turn() -> None:
    async def fail() -> bytes:
        raise ValueError("broken")

    turns = Turns(1)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            await turns.take(fail)
    assert await turns.take(message) == b"message"
