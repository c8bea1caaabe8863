"""What goes back to a client: a status, headers and a body, ready to be sent."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
from starlette.types import Send

from errors import InternalError, OverloadedError, RequestError, TooManyRequestsError
from serving.http.schema import ErrorResponse
from serving.http.shortcuts import send_now

Header = tuple[bytes, bytes]
Headers = list[Header]

INTERNAL = InternalError("The server failed; its log has the reason.")

_JSON = (b"content-type", b"application/json")


class Reply(NamedTuple):
    """One response."""

    status: int
    headers: Headers
    body: bytes

    async def send(self, send: Send) -> None:
        if send_now(send, self.status, self.headers, self.body):
            return
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body})

    def last(self, default_headers: Sequence[Header]) -> bytes:
        """All of a response after which the connection closes."""
        headers = [*default_headers, *self.headers]
        if all(name != b"connection" for name, _ in headers):
            headers.append((b"connection", b"close"))
        lines = [b"HTTP/1.1 %d %s" % (self.status, HTTPStatus(self.status).phrase.encode())]
        lines += [name + b": " + value for name, value in headers]
        return b"\r\n".join([*lines, b"", self.body])


def json_reply(content: Any, *headers: Header, status: int = 200) -> Reply:
    """``content`` as JSON, with the headers for its length and type."""
    body = orjson.dumps(content)
    length = (b"content-length", b"%d" % len(body))
    return Reply(status, [_JSON, length, *headers], body)


def error_reply(error: RequestError) -> Reply:
    """``{"detail": "<the error's sentence>"}``."""
    headers: Headers = []
    if isinstance(error, OverloadedError):
        headers.append((b"retry-after", b"%d" % error.retry_after))
    elif isinstance(error, TooManyRequestsError):
        headers += _limited(error)
    elif error.status == HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        # Without this, the client could go on sending a body that nobody reads.
        headers.append((b"connection", b"close"))
    elif error.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        headers.append((b"accept-encoding", b"gzip, deflate, br"))
    content: ErrorResponse = {"detail": str(error)}
    return json_reply(content, *headers, status=error.status)


def _limited(error: TooManyRequestsError) -> Headers:
    wait = b"%d" % error.retry_after
    return [
        (b"retry-after", wait),
        (b"ratelimit-limit", b"%d" % error.limit),
        (b"ratelimit-remaining", b"0"),
        (b"ratelimit-reset", wait),
    ]
