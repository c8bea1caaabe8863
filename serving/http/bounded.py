"""Bounds what one connection does within a turn of the event loop.

A client can send 9,000 requests in one packet of 256 KB, or 43,000 chunks of a byte: parsed in one
go, they would hold everybody else up for 0.2 s.
"""

import asyncio
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.http.backlog import Backlog

MAX_WAITING: Final = 16
"""Requests of a connection that are parsed and wait for an answer to an earlier one."""

MAX_CHUNKS: Final = 4_000
"""Chunks in one read of 256 KB: those of 64 bytes are as many, and take 5 ms."""

# How much of what waits is parsed at once: each request copies what is after it.
_PIECE_BYTES: Final = 32_768


class StopParser(Exception):  # noqa: N818 - it is nobody's fault
    """Raised in what the parser calls."""


class _Flow(FlowControl):
    """Reads nothing while what was read waits, whoever asks for more."""

    __slots__ = ("waiting",)

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.waiting = False

    def resume_reading(self) -> None:
        if not self.waiting:
            super().resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """Gives what is received to ``read``, in pieces and later where that is needed."""

    __slots__ = ("_chunks", "_waiting")

    backlog: ClassVar[Backlog | None] = None

    @classmethod
    def listen(cls) -> None:
        """Accept those who wait from now on; called when the server of this process starts."""
        cls.backlog = Backlog.of_this_process()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._waiting = b""
        self._chunks = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = _Flow(transport)
        if self.backlog is not None:
            self.backlog.relieve()

    def read(self, data: bytes) -> bytes:
        """Take data in; returns what is to wait, because it is enough for a turn."""
        raise NotImplementedError

    @property
    def is_full(self) -> bool:
        return len(self.pipeline) >= MAX_WAITING

    @property
    def has_few_chunks(self) -> bool:
        """Whether the last body that was read has."""
        return self._chunks <= MAX_CHUNKS

    @property
    def is_waiting(self) -> bool:
        """Whether something that was read waits for the parser, or for whoever asked for it."""
        return bool(self._waiting or self.cycle.body)

    def renew_parser(self) -> None:
        """Begin with a request, whatever the parser expects."""
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn does, to answer the first of several requests after which a client closes.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def data_received(self, data: bytes) -> None:
        self._chunks = 0
        if self._waiting:
            self._waiting += data
            return
        rest = self.read(data)
        if rest:
            self._wait(rest)

    def read_waiting(self) -> None:
        """Go on with what waits, once there is nothing before it."""
        if self._waiting and not self.pipeline:
            self.loop.call_soon(self._go_on)

    def forget_waiting(self) -> None:
        self._waiting = b""
        self.flow.waiting = False  # type: ignore[attr-defined]

    def _go_on(self) -> None:
        data = self._waiting
        if not data or self.pipeline:
            return
        self.forget_waiting()
        rest = self.read(data[:_PIECE_BYTES]) + data[_PIECE_BYTES:]
        if rest:
            self._wait(rest)
        else:
            self.flow.resume_reading()

    def _wait(self, data: bytes) -> None:
        self._waiting = data
        self.flow.waiting = True  # type: ignore[attr-defined]
        self.flow.pause_reading()
        self.read_waiting()

    def on_response_complete(self) -> None:
        # As uvicorn's, but without a timer for each connection: the guard closes the idle ones.
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        self.read_waiting()

    def on_body(self, body: bytes) -> None:
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise StopParser
        super().on_body(body)
