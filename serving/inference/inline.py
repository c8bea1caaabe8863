"""How much of a turn of the event loop decoding takes, and who waits for the next one.

The items of a batch all begin in one turn: without a limit, nobody else would be answered until the
last of them is decoded.
"""

import asyncio
from collections import deque
from typing import Final

TURN_SECONDS: Final = 0.005
"""How long the inline work of one turn of the event loop may take together."""


class InlineTurns:
    """Used in the event loop alone."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._later: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        return self._seconds >= TURN_SECONDS

    async def later(self) -> None:
        """Wait for a turn in which there is time."""
        turn = asyncio.get_running_loop().create_future()
        self._later.append(turn)
        try:
            await turn
        except BaseException:
            if not turn.cancelled():
                # Its turn had come, and goes to the next.
                self._next()
            raise

    def took(self, seconds: float) -> None:
        """Some inline work has taken so long."""
        if not self._seconds:
            asyncio.get_running_loop().call_soon(self._end)
        self._seconds += seconds
        if self._seconds < TURN_SECONDS / 2:
            self._next()

    def _end(self) -> None:
        self._seconds = 0.0
        self._next()

    def _next(self) -> None:
        """One that waits goes on; it calls the next one, while half of a turn is left to others."""
        while self._later:
            turn = self._later.popleft()
            if not turn.done():
                turn.set_result(None)
                return
