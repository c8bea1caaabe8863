"""Reads a request's body, up to a size and within a time."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from errors import BadRequestError, BodyTimeoutError, BodyTooLargeError

BODY_SECONDS = 10.0


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body, whatever its declared type.

    A body declared too large is refused before any of it is read, a streamed one at the first
    byte too many. Raises BodyTooLargeError, BodyTimeoutError, or BadRequestError if the client
    left before its end.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                chunks.append(chunk)
    except TimeoutError:
        raise BodyTimeoutError(
            f"The body did not arrive within {BODY_SECONDS:.0f} seconds."
        ) from None
    except ClientDisconnect:
        raise BadRequestError("The body ended before it was complete.") from None
    return b"".join(chunks)


def _too_large(max_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The body is larger than the {max_bytes} bytes allowed.")
