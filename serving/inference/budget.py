"""Memory and threads for decoding, given out in the order in which images ask for them."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from images.costs import Cost

LONG_SECONDS: Final = 0.1
"""While an image that takes as long is under way, another has a place besides."""

MAX_OVERTAKING: Final = 16
"""How many may overtake the first in the queue, whose memory is not free yet."""

# How far down the queue one is looked for that can begin.
_LOOK_AHEAD: Final = 64


@dataclass(eq=False)
class _Waiting:
    cost: Cost
    turn: asyncio.Future[None] = field(default_factory=asyncio.Future)
    overtaken: int = 0


class Budget:
    """At most ``limit`` bytes and ``places`` images at a time.

    First come, first served, except that an image whose memory is free may overtake the first in
    the queue if that one's is not: a bounded number of times, so that small images that keep coming
    cannot hold a large one back. An image's cost is taken from ``acquire`` until ``release``.
    """

    def __init__(self, limit: int, places: Callable[[], int]) -> None:
        """``places``: asked whenever one may begin; at least 1."""
        self.limit = limit
        self._places = places
        self._free = limit
        self._running = 0
        self._long = 0
        self._queue: deque[_Waiting] = deque()
        self._seconds = 0.0
        self._alone = 0.0

    @property
    def free(self) -> int:
        """Bytes."""
        return self._free

    @property
    def running(self) -> int:
        """How many are under way."""
        return self._running

    @property
    def expected_wait(self) -> float:
        """Seconds until all that were admitted so far are expected to be done: by as many as there
        are places, or one after the other as far as each takes all of the memory."""
        return max(self._seconds / self._places(), self._alone)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way or waits."""
        return not self._running and not self._queue

    async def acquire(self, cost: Cost) -> None:
        """Wait for its turn; ``cost.bytes`` must not be above the limit."""
        waiting = _Waiting(cost)
        self._expect(cost, 1)
        self._queue.append(waiting)
        self._grant()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.cancelled():
                self._queue.remove(waiting)
                self._expect(cost, -1)
                self._grant()
            else:
                self.release(cost)
            raise

    def release(self, cost: Cost) -> None:
        """The work is over, whether or not anybody still waits for its result."""
        self._expect(cost, -1)
        self._free += cost.bytes
        self._running -= 1
        self._long -= cost.seconds >= LONG_SECONDS
        self._grant()

    def _expect(self, cost: Cost, sign: int) -> None:
        self._seconds = max(0.0, self._seconds + sign * cost.seconds)
        self._alone = max(0.0, self._alone + sign * cost.seconds * cost.bytes / self.limit)

    @property
    def _has_place(self) -> bool:
        return self._running < self._places() + (self._long > 0)

    def _grant(self) -> None:
        while self._queue and self._has_place and (chosen := self._next()) is not None:
            self._queue.remove(chosen)
            self._free -= chosen.cost.bytes
            self._running += 1
            self._long += chosen.cost.seconds >= LONG_SECONDS
            chosen.turn.set_result(None)

    def _next(self) -> _Waiting | None:
        first: _Waiting | None = None
        looked_at = 0
        for waiting in self._queue:
            if waiting.turn.cancelled():
                # It has not come to leave the queue itself.
                continue
            if first is None:
                first = waiting
            elif looked_at == _LOOK_AHEAD or first.overtaken == MAX_OVERTAKING:
                return None
            looked_at += 1
            if waiting.cost.bytes <= self._free:
                first.overtaken += waiting is not first
                return waiting
        return None
