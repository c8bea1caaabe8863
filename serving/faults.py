"""How a fault reaches a client: on every route ``{"detail": "<one sentence>"}``, and nothing else.

BentoML and Starlette answer faults in shapes of their own (plain text, ``{"error": …}``, a JSON
array); the middleware here gives them all the one shape, and adds what would be right.
"""

import logging
from http import HTTPStatus

import orjson
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errors import InternalError, OverloadedError, RequestError

logger = logging.getLogger("pupila.faults")

INTERNAL = InternalError("The server failed; its log has the reason.")

_PREDICT = ("/predict/", "/predict")


def fault_response(error: RequestError) -> Response:
    """The response that tells a client of an error."""
    headers: dict[str, str] = {}
    if isinstance(error, OverloadedError):
        headers["Retry-After"] = str(error.retry_after)
    if error.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        # The rest of the body is not wanted: without this the client could go on sending it.
        headers["Connection"] = "close"
    return Response(
        orjson.dumps({"detail": str(error)}),
        status_code=error.status,
        media_type="application/json",
        headers=headers,
    )


class Faults:
    """ASGI middleware: the one shape of errors, ``/predict`` without a redirect or a type."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path in _PREDICT:
            scope["path"] = "/predict/"
            # A body is read as JSON whatever its type says; BentoML would refuse one of them with
            # a traceback in its log.
            scope["headers"] = [item for item in scope["headers"] if item[0] != b"content-type"]
        start: Message | None = None
        body = b""
        started = False

        async def shaped_send(message: Message) -> None:
            nonlocal start, body, started
            if message["type"] == "http.response.start":
                started = True
                if message["status"] >= 400:
                    start = message
                    return
            elif start is not None:
                body += message.get("body", b"")
                if message.get("more_body", False):
                    return
                headers = MutableHeaders(raw=list(start["headers"]))
                content = _shaped(start["status"], headers, body, scope)
                headers["content-type"] = "application/json"
                headers["content-length"] = str(len(content))
                await send({**start, "headers": headers.raw})
                await send({"type": "http.response.body", "body": content})
                return
            await send(message)

        try:
            await self._app(scope, receive, shaped_send)
        except Exception:
            logger.exception("%s %s failed", scope["method"], path)
            if started:
                raise
            await fault_response(INTERNAL)(scope, receive, send)


def _shaped(status: int, headers: MutableHeaders, body: bytes, scope: Scope) -> bytes:
    """``{"detail": …}`` of whatever shape ``body`` has."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        content = None
    if isinstance(content, dict) and list(content) == ["detail"]:
        return body
    return orjson.dumps({"detail": _sentence(status, headers, body, scope)})


def _sentence(status: int, headers: MutableHeaders, body: bytes, scope: Scope) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return "There is no such path; /docs.json lists those there are."
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{scope['path']} takes {headers.get('allow', 'another method')} only."
    if status == HTTPStatus.SERVICE_UNAVAILABLE and body:
        return body.decode(errors="replace")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return str(INTERNAL)
    return f"{HTTPStatus(status).phrase}."
