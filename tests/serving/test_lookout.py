"""What a thread finds is followed on the event loop, in that order."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Final

import pytest

from serving.lookout import lookout
from tests.waiting import until_async

LOGGER: Final = logging.getLogger("pupila.tests")
NEVER: Final = 3600.0


def looking(results: list[int | Exception | None]) -> Callable[[], int | None]:
    """Finds these, one after the other, and then nothing."""

    def look() -> int | None:
        one = results.pop(0) if results else None
        if isinstance(one, Exception):
            raise one
        return one

    return look


class Follower:
    def __init__(self, until: int) -> None:
        self.followed: list[int] = []
        self.threads: set[int] = set()
        self.last = asyncio.Event()
        self._until = until

    async def follow(self, one: int) -> None:
        self.followed.append(one)
        self.threads.add(threading.get_ident())
        if one == self._until:
            self.last.set()
        if one < 0:
            raise ValueError(one)


async def test_what_is_found_is_followed_in_order() -> None:
    follower = Follower(until=3)
    look = looking([1, None, 2, None, None, 3])
    async with lookout("the check", 0, look, follower.follow, LOGGER):
        await follower.last.wait()
    assert follower.followed == [1, 2, 3]
    assert follower.threads == {threading.get_ident()}


async def test_what_fails_is_logged_and_the_next_is_found(caplog: pytest.LogCaptureFixture) -> None:
    follower = Follower(until=3)
    look = looking([OSError("away"), -1, 3])
    async with lookout("the check", 0, look, follower.follow, LOGGER):
        await follower.last.wait()
    assert follower.followed == [-1, 3]
    assert caplog.messages == ["the check failed; what was known stays in force"] * 2


async def test_after_its_end_nothing_is_looked_for() -> None:
    follower = Follower(until=1)
    looks = [0]

    def look() -> int:
        looks[0] += 1
        return 1

    async with lookout("the check", 0, look, follower.follow, LOGGER):
        await follower.last.wait()
    before = looks[0]
    await until_async(lambda: "the check" not in {thread.name for thread in threading.enumerate()})
    assert looks[0] == before


async def test_what_was_found_is_followed_before_the_next_look() -> None:
    events: list[str] = []
    last = asyncio.Event()

    def look() -> int:
        events.append("look")
        return 1

    async def follow(_one: int) -> None:
        await asyncio.to_thread(events.append, "follow")
        if len(events) >= 6:
            last.set()

    async with lookout("the check", 0, look, follow, LOGGER):
        await last.wait()
    assert events[:6] == ["look", "follow"] * 3


async def test_it_ends_before_its_next_look() -> None:
    follower = Follower(until=1)
    async with lookout("the check", NEVER, looking([1]), follower.follow, LOGGER):
        pass
    assert follower.followed == []


async def test_a_look_that_hangs_ends_nothing() -> None:
    begun, answers = threading.Event(), threading.Event()

    def look() -> None:
        begun.set()
        answers.wait()

    async with lookout("the check", 0, look, Follower(until=1).follow, LOGGER):
        await asyncio.to_thread(begun.wait)
    answers.set()
