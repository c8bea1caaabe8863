"""The connections of a worker: how many there may be, and how long each may take its time.

A connection is *reading* from the first byte of a request until its body is complete, *busy* until
its answer is sent, and *idle* otherwise. Each state is a queue in the order in which connections
entered it, so that one timer for the worker finds those that are late without looking at the
others; a timer for each connection would cost a request 1 µs.
"""

import asyncio
from collections import OrderedDict
from typing import NamedTuple, Protocol


class Guarded(Protocol):
    """What the guard does to a connection."""

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


# Of the connections allowed, those that stay free for new clients: idle ones are closed above it.
_FREE_SHARE = 1 / 16


class Guard:
    """Closes the connections that are late, and the oldest idle ones when there are too many."""

    def __init__(self, limits: Limits, loop: asyncio.AbstractEventLoop) -> None:
        self._limits = limits
        self._loop = loop
        self._heads: OrderedDict[Guarded, float] = OrderedDict()
        self._bodies: OrderedDict[Guarded, float] = OrderedDict()
        self._idle: OrderedDict[Guarded, float] = OrderedDict()
        self._open: set[Guarded] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Guarded) -> bool:
        """Count a new connection, which is idle; False if there is no place for it."""
        self._open.add(connection)
        self.idle(connection)
        if self._timer is None:
            self._timer = self._loop.call_later(self._limits.check_seconds, self._check)
        limit = self._limits.connections
        while len(self._open) > limit * (1 - _FREE_SHARE) and len(self._idle) > 1:
            oldest = next(iter(self._idle))
            self.forget(oldest)
            oldest.close_idle()
        return len(self._open) <= limit

    def idle(self, connection: Guarded) -> None:
        self._heads.pop(connection, None)
        self._bodies.pop(connection, None)
        self._idle[connection] = self._loop.time()

    def reads_head(self, connection: Guarded) -> None:
        self._idle.pop(connection, None)
        self._heads[connection] = self._loop.time()

    def reads_body(self, connection: Guarded) -> None:
        self._idle.pop(connection, None)
        self._heads.pop(connection, None)
        self._bodies[connection] = self._loop.time()

    def busy(self, connection: Guarded) -> None:
        """All of the request is there."""
        if self._idle.pop(connection, None) is None:
            self._heads.pop(connection, None)
            self._bodies.pop(connection, None)

    def forget(self, connection: Guarded) -> None:
        self._open.discard(connection)
        self.busy(connection)

    def _check(self) -> None:
        now = self._loop.time()
        limits = self._limits
        for connection in _late(self._heads, now - limits.head_seconds):
            connection.time_out()
        for connection in _late(self._bodies, now - limits.body_seconds):
            connection.time_out()
        for connection in _late(self._idle, now - limits.idle_seconds):
            connection.close_idle()
        self._timer = (
            self._loop.call_later(limits.check_seconds, self._check) if self._open else None
        )


def _late(queue: OrderedDict[Guarded, float], before: float) -> list[Guarded]:
    """Take those out of the queue that entered it before a time."""
    late = []
    while queue and next(iter(queue.values())) < before:
        late.append(queue.popitem(last=False)[0])
    return late
