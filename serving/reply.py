"""What goes back to a client: a status, headers and a body, ready to be sent."""

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
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


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
