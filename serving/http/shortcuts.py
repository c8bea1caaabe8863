"""Ways past ASGI's messages where uvicorn is at the other end, for bodies and replies in one piece.

By its messages, uvicorn makes a coroutine of each, checks each header of ours by two expressions,
and writes head and body separately, of which uvloop makes a system call each: with what it takes to
read the body, 12 of 60 µs. Every request that is not in one piece, or not uvicorn's, goes the long
way, with the same result.
"""

from collections.abc import Callable, Sequence

from starlette.types import Receive, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from serving.http.direct import DIRECT_BYTES, DirectBody

Directly = Callable[[bytes, int], DirectBody | None]
"""How a connection gives a body past its parser, by its beginning and its size."""


def body_now(receive: Receive) -> bytes | None:
    """The whole body, if all of it is there and none was taken; None if ``receive`` has to tell."""
    cycle = getattr(receive, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or cycle.more_body
        or cycle.disconnected
        or cycle.response_complete
        or cycle.waiting_for_100_continue
        or not cycle.message_event.is_set()
    ):
        return None
    body = bytes(cycle.body)
    cycle.body = bytearray()
    cycle.message_event.clear()
    if cycle.flow.read_paused:
        cycle.flow.resume_reading()
    return body


def receive_directly(receive: Receive, start: bytes, size: int) -> DirectBody | None:
    """A body of ``size`` bytes that begins with ``start``, and whose rest is not asked for by
    ``receive``; None if it has to be."""
    cycle = getattr(receive, "__self__", None)
    if type(cycle) is not RequestResponseCycle or size - len(start) < DIRECT_BYTES:
        return None
    connection = getattr(cycle.on_response, "__self__", None)
    if getattr(connection, "cycle", None) is not cycle:
        return None
    directly: Directly | None = getattr(connection, "receive_directly", None)
    return None if directly is None else directly(start, size)


def send_now(send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
    """Send a whole answer in one write; False if nothing was done, and ``send`` has to be called.

    Names of headers are in lower case. Raises RuntimeError or OSError if the client has closed the
    connection.
    """
    cycle = getattr(send, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or cycle.response_started
        or cycle.disconnected
        or cycle.access_log
        or cycle.flow.write_paused
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    parts = [STATUS_LINE[status]]
    length = b""
    keep_alive, closes = cycle.keep_alive, False
    for name, value in [*cycle.default_headers, *headers]:
        if name == b"content-length":
            length = value
        elif name == b"connection" and value == b"close":
            keep_alive, closes = False, True
        elif name in (b"connection", b"transfer-encoding"):
            return False
        parts += (name, b": ", value, b"\r\n")
    if not keep_alive and not closes:
        parts += (b"connection", b": ", b"close", b"\r\n")
    parts.append(b"\r\n")
    head = b"".join(parts)
    ends = len(parts) // 4 + 2
    # A line break in a header would begin another: uvicorn has the words for that.
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        return False
    if length != b"%d" % len(body):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.keep_alive = keep_alive
    cycle.transport.write(head + body)
    cycle.message_event.set()
    if not keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
