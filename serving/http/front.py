"""The first thing that a request meets, outside all that BentoML puts around a service.

BentoML's middlewares and its endpoint cost some 550 µs a request: a tracing span where nothing
exports it, an access log line, a timer that lives for the whole time limit, metrics that are looked
up by label, a copy of the headers. ``POST /predict/`` is answered here without them; it stays a
BentoML API too, which answers where a trace is wanted. Every other route is BentoML's.

It also gives every error the one shape ``{"detail": "<one sentence>"}``, whatever shape BentoML or
Starlette gave it.
"""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.datastructures import MutableHeaders
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errors import NotFoundError
from serving.http.drain import closing
from serving.http.reply import INTERNAL, Reply, fault_reply

logger = logging.getLogger("pupila.front")

_HOT = {
    "/predict": "/predict/",
    "/predict/": "/predict/",
    "/predict/batch": "/predict/batch/",
    "/predict/batch/": "/predict/batch/",
    "/feedback": "/feedback/",
    "/feedback/": "/feedback/",
}
_UNKNOWN = NotFoundError("There is no such path; /docs.json lists those there are.")


Answer = Callable[[Scope, Receive], Awaitable[Reply]]
"""What answers a hot route; in practice a method of ``Endpoint``."""


class Front:
    """ASGI middleware that moves itself to the outside when the application starts.

    A service can only add middlewares inside of BentoML's own. Starlette hands the application to
    each of them with the first message, and the application's stack of middlewares is an attribute
    of it; so this one, at that message, puts another of its kind around that stack.
    """

    def __init__(
        self,
        app: ASGIApp,
        answers: Callable[[], Mapping[str, Answer]],
        ending: Callable[[], bool] = lambda: False,
        outside: bool = False,
    ) -> None:
        """``answers`` gives what answers ``POST`` on each path; what is missing is BentoML's.
        ``ending`` tells whether clients should go elsewhere with their next request."""
        self._app = app
        self._answers = answers
        self._ending = ending
        self._outside = outside
        self._moved = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" and not (self._outside or self._moved):
            app = scope["app"]
            stack = app.middleware_stack
            app.middleware_stack = Front(stack, self._answers, self._ending, outside=True)
            self._moved = True
        if scope["type"] == "http" and not self._moved and self._ending():
            send = closing(send)
        if self._moved or scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] in _HOT:
            await self._hot(scope, receive, send)
        elif _is_known(scope):
            await self._shaped(scope, receive, send)
        else:
            # Not further: BentoML would keep a metric for each path that anybody ever tries.
            await fault_reply(_UNKNOWN).send(send)

    async def _hot(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _HOT[scope["path"]]
        answer = self._answers().get(path)
        if answer is not None and scope["method"] == "POST":
            reply = await answer(scope, receive)
            # uvloop raises where the client has closed the connection.
            with contextlib.suppress(RuntimeError, OSError):
                await reply.send(send)
            return
        scope["path"] = path
        # A body is read as JSON whatever its type says; BentoML would refuse one of them with a
        # traceback in its log.
        scope["headers"] = [item for item in scope["headers"] if item[0] != b"content-type"]
        await self._shaped(scope, receive, send)

    async def _shaped(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        body = b""
        started = False

        async def shaped_send(message: Message) -> None:
            nonlocal start, body, started
            if message["type"] == "http.response.start":
                if message["status"] >= HTTPStatus.BAD_REQUEST:
                    start = message
                    return
            elif start is not None:
                body += message.get("body", b"")
                if message.get("more_body", False):
                    return
                headers = MutableHeaders(raw=list(start["headers"]))
                content = _detail(start["status"], headers, body, scope)
                headers["content-type"] = "application/json"
                headers["content-length"] = str(len(content))
                if start["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
                    headers.setdefault("retry-after", "1")
                started = True
                await send({**start, "headers": headers.raw})
                await send({"type": "http.response.body", "body": content})
                return
            started = True
            await send(message)

        try:
            await self._app(scope, receive, shaped_send)
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise
            await fault_reply(INTERNAL).send(send)


def _is_known(scope: Scope) -> bool:
    """Whether a route of the application takes this path, by any method."""
    routes: list[Any] = scope["app"].routes if "app" in scope else []
    for route in routes:
        match, _ = route.matches(scope)
        if match is Match.NONE:
            continue
        if isinstance(route, Mount) and isinstance(route.app, StaticFiles):
            found = route.app.lookup_path(scope["path"].removeprefix(route.path).lstrip("/"))[1]
            return found is not None
        return True
    return not routes


def _detail(status: int, headers: MutableHeaders, body: bytes, scope: Scope) -> bytes:
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
        return str(_UNKNOWN)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{scope['path']} takes {headers.get('allow', 'another method')} only."
    if status == HTTPStatus.SERVICE_UNAVAILABLE and _is_text(headers) and body:
        return body.decode(errors="replace")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return str(INTERNAL)
    phrases = {known.value: known.phrase for known in HTTPStatus}
    return f"{phrases.get(status, 'The request was refused')}."


def _is_text(headers: MutableHeaders) -> bool:
    return headers.get("content-type", "").startswith("text/plain")
