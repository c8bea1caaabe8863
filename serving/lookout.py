"""Looks for changes on a thread of its own: the event loop hears only of those that there are.

An event loop that has another thread look wakes up three times for each look. On a processor that
has done something else meanwhile, that takes half a millisecond, several times a second in every
worker.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from models.detached import detached, finished
from serving.background import background

T = TypeVar("T")

_LAST_SECONDS: Final = 1.0


@contextlib.asynccontextmanager
async def lookout(
    name: str,
    every_seconds: float,
    look: Callable[[], T | None],
    follow: Callable[[T], Awaitable[None]],
    logger: logging.Logger,
) -> AsyncIterator[None]:
    """Call ``look`` again and again until the block ends, and ``follow``, on this event loop, with
    each thing that it finds, before the next look. What either raises is logged, as what ``name``
    says.

    A look that hangs holds up the end of the block for a second, and nothing else.
    """
    loop = asyncio.get_running_loop()
    found = asyncio.Queue[T]()
    ended, followed = threading.Event(), threading.Event()

    def keep_looking() -> None:
        while not ended.wait(every_seconds):
            try:
                one = look()
            except Exception:
                logger.exception("%s failed; what was known stays in force", name)
                continue
            if one is not None and not ended.is_set():
                with contextlib.suppress(RuntimeError):  # The loop is closed.
                    loop.call_soon_threadsafe(found.put_nowait, one)
                    followed.wait()
                    followed.clear()

    async def keep_following() -> None:
        while True:
            one = await found.get()
            try:
                await follow(one)
            except Exception:
                logger.exception("%s failed; what was known stays in force", name)
            followed.set()

    looking = detached(name, keep_looking)
    try:
        async with background(keep_following()):
            yield
    finally:
        ended.set()
        followed.set()
        await finished(looking, _LAST_SECONDS)
