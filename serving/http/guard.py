"""The connections of a worker: how many there may be, and how long each may take its time.

One timer for the worker looks at all of them twice a second, which takes 0.3 ms for 4,096. A timer
for each would cost a request 1 µs; queues in the order in which connections changed their state,
which find the late ones without looking at the others, cost 3 µs, and with 512 connections ten
times that: each change writes to the neighbours in the queue, which are in no cache any more.
"""

import asyncio
import logging
from enum import IntEnum
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from logs.lines import fields

logger = logging.getLogger("pupila.connections")


HEAD_SECONDS: Final = 10.0
"""For the headers of a request."""


class State(IntEnum):
    """``IDLE`` until the first byte of a request and once its answer is sent, then ``HEAD`` and
    ``BODY`` until these are complete, and ``BUSY`` until the answer."""

    IDLE = 0
    HEAD = 1
    BODY = 2
    BUSY = 3


class Guarded(Protocol):
    """A connection, and what the guard does to it. It sets ``since`` to ``Guard.now`` whenever it
    sets its ``state``."""

    state: State
    since: float

    def time_out(self) -> None:
        """Its request did not arrive in time."""

    def close_idle(self) -> None:
        """It asked nothing for too long, or its place is needed."""


class Limits(NamedTuple):
    """Seconds for the headers and the body of a request, and for an idle connection; how many
    connections a worker holds; and how often the late ones are looked for."""

    head_seconds: float
    body_seconds: float
    idle_seconds: float
    connections: int
    check_seconds: float = 0.5

    @property
    def room(self) -> int:
        """How many there are without closing idle ones for new ones."""
        return self.connections - self.connections // _FREE


# One in so many of the connections allowed stays free for new clients: idle ones are closed above
# it, and then one in so many more, so that not each new one has to look for the oldest.
_FREE = 16
_MORE = 64

# Between two lines about that.
_TOLD_SECONDS: Final = 60.0


class Guard:
    """Closes the connections that are late, and the oldest idle ones when there are too many."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._open: dict[Guarded, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._told = float("-inf")
        self.now = loop.time()
        """The time of the last check: to ask for it at each change would cost more than the rest.
        So a connection may get half a second more than it is allowed."""

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Guarded) -> bool:
        """Count a new connection, which is idle; False if there is no place for it."""
        if self._timer is None:
            self.now = self._loop.time()
            self._timer = self._loop.call_later(self._limits.check_seconds, self._check)
        connection.state, connection.since = State.IDLE, self.now
        limit = self._limits.connections
        excess = len(self._open) + 1 - self._limits.room
        if excess > 0:
            self._tell(limit)
            self._make_room(excess + limit // _MORE)
        self._open[connection] = None
        return len(self._open) <= limit

    def forget(self, connection: Guarded) -> None:
        self._open.pop(connection, None)

    def _tell(self, limit: int) -> None:
        """Once a minute: whoever looks for clients that are cut off finds the reason."""
        now = self._loop.time()
        if now - self._told < _TOLD_SECONDS:
            return
        self._told = now
        logger.warning(
            "hardly any connection is left, so idle ones are closed for new ones: raise "
            "PUPILA_MAX_CONNECTIONS, or the limit of open files that lowers it",
            extra=fields(open=len(self._open), allowed=limit),
        )

    def _make_room(self, count: int) -> None:
        idle = [connection for connection in self._open if connection.state is State.IDLE]
        for connection in sorted(idle, key=attrgetter("since"))[:count]:
            self.forget(connection)
            connection.close_idle()

    def _check(self) -> None:
        self.now = self._loop.time()
        limits = self._limits
        latest = {
            State.IDLE: self.now - limits.idle_seconds,
            State.HEAD: self.now - limits.head_seconds,
            State.BODY: self.now - limits.body_seconds,
            State.BUSY: float("-inf"),
        }
        # All are found before the first is closed, which changes what is open.
        late = [one for one in self._open if one.since < latest[one.state]]
        for connection in late:
            if connection.state is State.IDLE:
                self.forget(connection)
                connection.close_idle()
            else:
                connection.time_out()
        self._timer = (
            self._loop.call_later(limits.check_seconds, self._check) if self._open else None
        )
