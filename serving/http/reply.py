"""What goes back to a client: a status, headers and a body, ready to be sent."""

import asyncio
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
from starlette.types import Send

from errors import InternalError, OverloadedError, RequestError

Headers = list[tuple[bytes, bytes]]

INTERNAL = InternalError("The server failed; its log has the reason.")

_JSON = (b"content-type", b"application/json")


class Reply(NamedTuple):
    """One response, sent by two ASGI messages."""

    status: int
    headers: Headers
    body: bytes

    async def send(self, send: Send) -> None:
        with _one_write(send):
            start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
            await send(start)
            await send({"type": "http.response.body", "body": self.body})


class _Gathering:
    """A connection's transport that keeps what is written, until it is told to send it."""

    __slots__ = ("_parts", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        self._parts.append(data)

    def close(self) -> None:
        self.send()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def send(self) -> None:
        if self._parts:
            self._transport.write(b"".join(self._parts))
            self._parts.clear()


class _one_write:  # noqa: N801 - a context manager, and a generator would cost another 1 µs
    """Within the block, what uvicorn writes goes out at once, at its end.

    uvicorn writes head and body each by itself, and uvloop makes a system call of each write: 6 of
    70 µs. A ``send`` that is not uvicorn's is left as it is.
    """

    __slots__ = ("_cycle", "_gathering", "_transport")

    def __init__(self, send: Send) -> None:
        self._cycle: Any = getattr(send, "__self__", None)
        self._transport = getattr(self._cycle, "transport", None)

    def __enter__(self) -> None:
        if self._transport is not None:
            self._gathering = self._cycle.transport = _Gathering(self._transport)

    def __exit__(self, *_: object) -> None:
        if self._transport is not None:
            self._cycle.transport = self._transport
            self._gathering.send()


def json_reply(content: Any, *headers: tuple[bytes, bytes], status: int = 200) -> Reply:
    """``content`` as JSON, with its length and type among the headers."""
    body = orjson.dumps(content)
    length = (b"content-length", b"%d" % len(body))
    return Reply(status, [_JSON, length, *headers], body)


def fault_reply(error: RequestError) -> Reply:
    """``{"detail": "<the error's sentence>"}``."""
    headers: Headers = []
    if isinstance(error, OverloadedError):
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if error.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        # The rest of the body is not wanted: without this the client could go on sending it.
        headers.append((b"connection", b"close"))
    return json_reply({"detail": str(error)}, *headers, status=error.status)
