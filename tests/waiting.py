"""Waiting for what must happen, however long a busy machine takes over it."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_SECONDS = 120.0
"""Ends a hang; nothing that works comes near it, however busy the machine is."""

_PAUSE_SECONDS = 0.02

Found = TypeVar("Found")


def until(
    condition: Callable[[], Found],
    what: str | Callable[[], object] = "the condition",
    seconds: float = PATIENCE_SECONDS,
) -> Found:
    """The first true value of ``condition``, which is asked again and again.

    Raises AssertionError with ``what`` if it stays false; a function tells what it was like then.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, _never(what, seconds)
        time.sleep(_PAUSE_SECONDS)
    return found


async def until_async(
    condition: Callable[[], Found],
    what: str | Callable[[], object] = "the condition",
    seconds: float = PATIENCE_SECONDS,
) -> Found:
    """As ``until``, while other tasks of the event loop run."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, _never(what, seconds)
        await asyncio.sleep(0.001)
    return found


def _never(what: str | Callable[[], object], seconds: float) -> str:
    return f"{what() if callable(what) else what}: not within {seconds:.0f} seconds"
