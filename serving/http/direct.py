"""Large bodies, which the socket writes where they stay.

By uvicorn's way each byte is copied five times before anybody parses it: out of uvloop's buffer, by
the HTTP parser, into the cycle of the request, out of it as a message, and to the other messages.
"""

import asyncio
import ctypes
from collections.abc import Callable
from typing import Any, Final, Protocol

from uvicorn.protocols.http.flow_control import FlowControl

DIRECT_BYTES: Final = 262_144
"""What must be left of a body for that to be worth it: as much as uvloop reads at once."""

# What the parser sees of a large body.
_FIRST_BYTES: Final = 4096

# The C API of Python: bytes that were made without a content may be written to until others have
# them. https://docs.python.org/3/c-api/bytes.html#c.PyBytes_FromStringAndSize
_NEW: Final = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t)(
    ("PyBytes_FromStringAndSize", ctypes.pythonapi)
)
_ADDRESS: Final = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(
    ("PyBytes_AsString", ctypes.pythonapi)
)
_VIEW: Final = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)(
    ("PyMemoryView_FromMemory", ctypes.pythonapi)
)
_WRITABLE: Final = 0x200


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

    The socket writes where the body stays. Memory that nothing was written to yet is not counted:
    the system gives it when it is.
    """

    def __init__(
        self, connection: Receiving, cycle: Cycle, start: bytes, waiting: bytes, size: int
    ) -> None:
        """``start`` is held already; ``waiting``: what came after it, and is not."""
        self._connection = connection
        self._cycle = cycle
        self._content, self._place = _unwritten(size)
        self._size = size
        self._room = len(start)
        self._count = len(start) + len(waiting)
        self._place[: self._room] = start
        self._place[self._room : self._count] = waiting
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
            self._hold(self._count - self._room)
            self._room = self._count
            self._make_room()
            self._connection.flow.resume_reading()
            while self._count < self._size:
                await event.wait()
                event.clear()
                if self._refused is not None:
                    raise self._refused
                if self._cycle.disconnected or self._cycle.response_complete:
                    return None
            return self._content
        finally:
            if self._count < self._size:
                self._connection.body_given_up()
            # uvloop holds on to the methods of a protocol whose place another has taken: the body
            # would stay as long as its connection, and what was raised with its traceback.
            self._place, self._content = memoryview(b""), b""
            self._hold, self._refused = _nothing, None

    def _make_room(self) -> None:
        more = min(max(self._room, DIRECT_BYTES), self._size - self._room)
        self._hold(more)
        self._room += more

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._place[self._count : self._room]

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


def end_for_parser(body: int, whole: int, there: int) -> int:
    """How far the parser reads of a request that is ``there`` so far, whose body begins at ``body``
    and ends at ``whole``: hardly into one of which much is to come."""
    return min(there, whole if whole - there <= DIRECT_BYTES else body + _FIRST_BYTES)


def _unwritten(size: int) -> tuple[bytes, memoryview]:
    """Bytes of whatever was in memory before, and where to write them, as long as they are held on
    to: the view does not do that. Raises MemoryError."""
    content: bytes = _NEW(None, size)
    return content, _VIEW(_ADDRESS(content), size, _WRITABLE)


def _nothing(_size: int) -> None:
    """Holds no memory."""
