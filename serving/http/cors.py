"""Cross-origin requests: which pages of other sites may ask, as browsers want to be told.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Iterable
from typing import Final

from starlette.types import Message, Scope, Send

from errors import ForbiddenError
from serving.http.headers import header
from serving.http.reply import Reply, error_reply

ANY: Final = b"*"
_METHODS: Final = b"GET, POST"
_REQUEST_HEADERS: Final = (
    b"authorization, content-encoding, content-type, traceparent, tracestate, x-api-key, "
    b"x-request-id"
)
_RESPONSE_HEADERS: Final = (
    b"ratelimit-limit, ratelimit-remaining, ratelimit-reset, retry-after, traceparent, "
    b"x-model-version, x-request-id"
)
_MAX_AGE_SECONDS: Final = b"7200"
_VARY: Final = (b"vary", b"origin")


class Cors:
    """Answers preflights, and marks the answers that a page may read."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        """``origins`` such as ``https://example.com``, or ``*`` for all."""
        self._origins = frozenset(origin.encode() for origin in origins)
        self.allows_pages = bool(self._origins)

    def preflight(self, scope: Scope) -> Reply | None:
        """The answer to a browser that asks whether it may ask; None for any other ``OPTIONS``."""
        origin = header(scope, b"origin")
        if origin is None or header(scope, b"access-control-request-method") is None:
            return None
        allowed = self._allowed(origin)
        if allowed is None:
            return error_reply(
                ForbiddenError(
                    f"Pages of {origin[:100].decode('latin-1')!r} may not ask this server; "
                    "PUPILA_CORS_ORIGINS lists those that may."
                )
            )
        headers = [
            (b"access-control-allow-origin", allowed),
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _MAX_AGE_SECONDS),
            _VARY,
        ]
        return Reply(204, headers, b"")

    def marked(self, scope: Scope, send: Send) -> Send:
        """``send``, but telling the browser whether the page may read the response."""
        origin = header(scope, b"origin")
        allowed = None if origin is None else self._allowed(origin)
        headers = [_VARY]
        if allowed is not None:
            headers.append((b"access-control-allow-origin", allowed))
            headers.append((b"access-control-expose-headers", _RESPONSE_HEADERS))

        async def marked_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        return marked_send

    def _allowed(self, origin: bytes) -> bytes | None:
        if ANY in self._origins:
            return ANY
        return origin if origin in self._origins else None
