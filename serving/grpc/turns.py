"""Takes turns at reading messages, each of which may be as large as a body."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from errors import BodyTimeoutError

GRACE_SECONDS: Final = 1.0
"""A message that has not arrived by then gives way to those that wait to be read: clients that send
nothing would keep the others out, as often as they like."""


class Turns:
    """At most ``most`` at a time."""

    def __init__(self, most: int, grace: float = GRACE_SECONDS) -> None:
        self._free = asyncio.Semaphore(most)
        self._grace = grace
        # Since when each reads, the oldest first.
        self._readers: dict[asyncio.Future[bytes], float] = {}
        self._gave_way: set[asyncio.Future[bytes]] = set()

    async def take(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        """What ``read`` returns, once it may. Raises BodyTimeoutError where it took too long, and
        others waited."""
        await self._wait()
        reader = asyncio.ensure_future(read())
        self._readers[reader] = time.monotonic()
        try:
            return await reader
        except asyncio.CancelledError:
            if reader not in self._gave_way:
                raise
            raise BodyTimeoutError(
                "The message did not arrive in time, and others wait to be read."
            ) from None
        finally:
            self._gave_way.discard(reader)
            del self._readers[reader]
            self._free.release()

    async def _wait(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        turn = asyncio.ensure_future(self._free.acquire())
        try:
            while not turn.done():
                await asyncio.wait({turn}, timeout=self._until_one_gives_way())
        except asyncio.CancelledError:
            if not turn.cancel():
                self._free.release()
            raise

    def _until_one_gives_way(self) -> float:
        """Seconds until the oldest that reads has had its time; ends the one that has."""
        now = time.monotonic()
        for reader, since in self._readers.items():
            left = since + self._grace - now
            if left > 0:
                return left
            if reader not in self._gave_way:
                self._gave_way.add(reader)
                reader.cancel()
                break
        return self._grace
