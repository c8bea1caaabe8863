"""Reads a request's body, up to a size and within a time."""

import asyncio
from collections.abc import Callable

from starlette.types import Message, Receive, Scope

from errors import BadRequestError, BodyTimeoutError, BodyTooLargeError
from serving.http.coding import decode
from serving.http.shortcuts import body_now, receive_directly

BODY_SECONDS = 10.0
SMALL_BYTES = 16_384


async def read_body(
    scope: Scope, receive: Receive, max_bytes: int, hold: Callable[[int], None]
) -> bytes:
    """The body, decompressed, whatever its declared type.

    A body that is declared too large is refused before any of it is read, a streamed or compressed
    one at the first byte over ``max_bytes``. ``hold`` is called with the size of each piece of a
    body that is large, compressed or arrives in several. Raises BodyTooLargeError,
    BodyTimeoutError, UnsupportedEncodingError, or BadRequestError if it is damaged or the client
    disconnects before the end.
    """
    coding = b""
    declared = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            declared = int(value) if value.isdigit() else 0
            if declared > max_bytes:
                raise _too_large(max_bytes)
        elif name == b"content-encoding":
            coding = coding + b", " + value if coding else value
    # Most bodies arrive together with their headers.
    body = body_now(receive)
    if body is None:
        body = await _received(receive, max_bytes, declared, hold)
    elif len(body) > SMALL_BYTES:
        hold(len(body))
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    return await decode(body, coding, max_bytes, hold) if coding else body


async def _received(
    receive: Receive, max_bytes: int, declared: int, hold: Callable[[int], None]
) -> bytes:
    """The body by its messages, of which the first may be there: a time limit costs 4 µs."""
    message = _next_now(receive)
    try:
        if message is not None and not message.get("more_body", False):
            return await _all(message, receive, max_bytes, declared, hold)
        async with asyncio.timeout(BODY_SECONDS):
            return await _all(message or await receive(), receive, max_bytes, declared, hold)
    except TimeoutError:
        raise BodyTimeoutError(
            f"The body did not arrive within {BODY_SECONDS:.0f} seconds."
        ) from None


async def _all(
    message: Message, receive: Receive, max_bytes: int, declared: int, hold: Callable[[int], None]
) -> bytes:
    """The body that begins with this message."""
    if message["type"] == "http.disconnect":
        raise _incomplete()
    body: bytes = message.get("body", b"")
    more = message.get("more_body", False)
    if more or len(body) > SMALL_BYTES:
        hold(len(body))
    if not more:
        return body
    direct = receive_directly(receive, body, declared)
    if direct is not None:
        content = await direct.content(hold)
        if content is None:
            raise _incomplete()
        return content
    chunks = [body]
    size = len(body)
    while more:
        if size > max_bytes:
            raise _too_large(max_bytes)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _incomplete()
        chunks.append(message.get("body", b""))
        hold(len(chunks[-1]))
        size += len(chunks[-1])
        more = message.get("more_body", False)
    return b"".join(chunks)


def _too_large(max_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The body is larger than the {max_bytes} bytes allowed.")


def _incomplete() -> BadRequestError:
    return BadRequestError("The body ended before it was complete.")


def is_client_gone(receive: Receive) -> bool:
    """Whether the client of a request whose body was read has closed its connection."""
    message = _next_now(receive)
    return message is not None and message["type"] == "http.disconnect"


def _next_now(receive: Receive) -> Message | None:
    """The next message, if there is one without waiting.

    ASGI has no call for that, so this runs one step of the coroutine and then drops it.
    """
    steps = receive().__await__()
    try:
        steps.send(None)
    except StopIteration as done:
        message: Message = done.value
        return message
    steps.close()
    return None
