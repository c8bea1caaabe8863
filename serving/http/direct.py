"""Large bodies, which the socket writes where they stay.

By uvicorn's way each byte is copied five times before anybody parses it: out of uvloop's buffer, by
the HTTP parser, into the cycle of the request, out of it as a message, and to the other messages.
"""

import asyncio
import io
from collections.abc import Callable
from typing import Any, Final, Protocol

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
    """Takes the place of its connection's protocol until the body is complete or given up."""

    def __init__(self, connection: Receiving, cycle: Cycle, start: bytes, size: int) -> None:
        self._connection = connection
        self._cycle = cycle
        # Its value is the bytes that were written, and no copy of them.
        self._content = io.BytesIO()
        self._content.write(start)
        self._size = size
        self._count = self._room = len(start)

    async def content(self, hold: Callable[[int], None]) -> bytes | None:
        """All of the body, None if the client is gone or was answered before its end.

        ``hold`` is called before there is room for more, so nobody gets room for more than he has
        sent, or 256 KiB. What it raises ends the body.
        """
        event = self._cycle.message_event
        try:
            while self._room < self._size:
                more = min(max(self._room, DIRECT_BYTES), self._size - self._room)
                hold(more)
                self._make_room(more)
                while self._count < self._room:
                    await event.wait()
                    event.clear()
                    if self._cycle.disconnected or self._cycle.response_complete:
                        return None
            return self._content.getvalue()
        finally:
            if self._count < self._size:
                self._connection.body_given_up()
            # uvloop holds on to the methods of a protocol whose place another has taken: the body
            # would stay as long as its connection.
            self._content = io.BytesIO()

    def _make_room(self, more: int) -> None:
        self._room += more
        self._content.seek(self._room - 1)
        self._content.write(b"\0")
        self._connection.flow.resume_reading()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._content.getbuffer()[self._count :]

    def buffer_updated(self, nbytes: int) -> None:
        self._count += nbytes
        if self._count == self._size:
            self._connection.body_complete()
        elif self._count == self._room:
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
