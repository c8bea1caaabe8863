"""Connections that wait in a socket's queue until the event loop accepts them.

libuv accepts one in each turn of the loop. With 2,048 busy connections a turn takes 0.1 s, so that
of 200 clients that came then, half waited longer than nine seconds. The longer a turn, the more are
accepted here; in a short one none is, since workers share the queue, and one that took them all
would have to answer them all.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Final, Self

from serving.http.server import HttpServer

# Shorter turns need no help.
_SHORT_SECONDS: Final = 0.003

_PER_SECOND: Final = 2_000
_MOST: Final = 256


class Backlog:
    """Of the sockets of one server; its methods run in the event loop."""

    def __init__(
        self,
        server: HttpServer,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._loop = loop
        self._clock = clock
        self._is_busy = False

    @classmethod
    def of_this_process(cls) -> Self | None:
        """None outside of uvicorn, and once somebody else handles SIGTERM."""
        server = HttpServer.of_this_process()
        return None if server is None else cls(server, asyncio.get_running_loop())

    def relieve(self) -> None:
        """Accept more if this turn takes long; called when a connection was accepted."""
        if not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._next_turn, self._clock())

    def _next_turn(self, before: float) -> None:
        seconds = self._clock() - before
        if seconds < _SHORT_SECONDS:
            self._is_busy = False
            return
        count = min(_MOST, int(seconds * _PER_SECOND))
        clients = list(itertools.islice(self._server.queued(), count))
        # Side by side, since each takes a turn.
        adopted = asyncio.gather(*map(self._server.adopt, clients), return_exceptions=True)
        adopted.add_done_callback(self._adopted)

    def _adopted(self, _: object) -> None:
        self._is_busy = False
