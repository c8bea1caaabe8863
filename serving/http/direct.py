"""Large bodies, which the socket writes where they stay.

By uvicorn's way each byte is copied five times before anybody parses it: out of uvloop's buffer, by
the HTTP parser, into the cycle of the request, out of it as a message, and to the other messages.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from uvicorn.protocols.http.flow_control import FlowControl

DIRECT_BYTES: Final = 262_144
"""What must be left of a body for that to be worth it: as much as uvloop reads at once."""


class Receiving(Protocol):
    """The connection whose body it is."""

    flow: FlowControl

    def body_complete(self) -> None:
        """Go on as if the parser had seen all of it."""

    def body_given_up(self) -> None:
        """Drop the rest of it, and close once the answer is sent."""

    def connection_lost(self, exc: Exception | None) -> None: ...
    def eof_received(self) -> bool | None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


class Cycle(Protocol):
    """uvicorn's request and response."""

    message_event: asyncio.Event
    disconnected: bool
    response_complete: bool


class DirectBody(asyncio.BufferedProtocol):
    """Takes the place of its connection's protocol until the body is complete or given up.

    Pieces are joined at the end: one buffer that grows would be copied as often as it does, and the
    socket may not write into it meanwhile.
    """

    def __init__(self, connection: Receiving, cycle: Cycle, start: bytes, size: int) -> None:
        self._connection = connection
        self._cycle = cycle
        self._pieces: list[bytes | memoryview] = [start]
        self._size = size
        self._count = self._room = len(start)
        self._hold: Callable[[int], None] = _nothing
        self._refused: Exception | None = None

    async def content(self, hold: Callable[[int], None]) -> bytes | None:
        """All of the body, None if the client is gone or was answered before its end.

        ``hold`` is called before there is room for more, so nobody gets room for more than he has
        sent, or 256 KiB. What it raises ends the body.
        """
        event = self._cycle.message_event
        self._hold = hold
        try:
            self._make_room()
            self._connection.flow.resume_reading()
            while self._count < self._size:
                await event.wait()
                event.clear()
                if self._refused is not None:
                    raise self._refused
                if self._cycle.disconnected or self._cycle.response_complete:
                    return None
            return b"".join(self._pieces)
        finally:
            if self._count < self._size:
                self._connection.body_given_up()
            # uvloop holds on to the methods of a protocol whose place another has taken: the body
            # would stay as long as its connection, and what was raised with its traceback.
            self._pieces, self._hold, self._refused = [], _nothing, None

    def _make_room(self) -> None:
        more = min(max(self._room, DIRECT_BYTES), self._size - self._room)
        self._hold(more)
        # Not zeroed: the socket writes to all of it before anybody reads.
        self._pieces.append(np.empty(more, np.uint8).data)
        self._room += more

    def get_buffer(self, _sizehint: int) -> memoryview:
        piece = memoryview(self._pieces[-1])
        return piece[len(piece) - (self._room - self._count) :]

    def buffer_updated(self, nbytes: int) -> None:
        self._count += nbytes
        if self._count == self._size:
            self._connection.body_complete()
            self._cycle.message_event.set()
        elif self._count == self._room:
            try:
                self._make_room()
            except Exception as error:  # noqa: BLE001 - whoever waits for the body gets it
                self._refused = error
                self._connection.flow.pause_reading()
                self._cycle.message_event.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def eof_received(self) -> Any:
        return self._connection.eof_received()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()


def _nothing(_size: int) -> None:
    """Holds no memory."""
