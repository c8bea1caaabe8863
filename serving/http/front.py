"""The outermost layer of the server, around everything that BentoML puts around a service.

BentoML's middlewares and its endpoint cost some 550 µs a request: a tracing span that nothing
exports, an access log line, a timer that lives for the whole time limit, metrics looked up by
label, a copy of the headers. The hot routes are answered here, without them; they stay BentoML APIs
too, which answer when BentoML exports traces. Every other known route is passed on to BentoML.

It also gives every error the one shape ``{"detail": "<one sentence>"}``, whatever shape BentoML or
Starlette gave it. What is below ``/v2`` is answered here too, in the shapes of that protocol.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

import orjson
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errors import NotFoundError, RequestError, WrongMethodError
from logs.lines import raised
from serving.http import labelstudio, oip
from serving.http.cors import Cors
from serving.http.drain import closing
from serving.http.reply import INTERNAL, Reply, error_reply
from serving.http.route import Asked, Route
from serving.http.routes import DOCUMENT, HOT, PREDICT, is_console, model_in
from serving.http.throttle import Throttle
from serving.http.uploads import ORIGINAL_TYPE

logger = logging.getLogger("pupila.front")

_UNKNOWN = NotFoundError(f"Unknown path; {DOCUMENT.path} lists the known ones.")


class _Door(NamedTuple):
    """Another protocol: how it says what is wrong, and that there is no such path."""

    refuse: Callable[[RequestError], Reply]
    unknown: NotFoundError


_LABELSTUDIO = _Door(error_reply, _UNKNOWN)
_OIP = _Door(
    oip.oip_error,
    NotFoundError(
        f"Unknown path; {DOCUMENT.path} lists the known ones, and "
        "GET /v2 the protocol's extensions."
    ),
)

Answer = Callable[[Scope, Receive], Awaitable[Reply]]
"""What answers a hot route; in practice an ``Endpoint``."""

Admit = Callable[[Scope], Reply | None]
"""Whether a request comes in: None, or what to answer instead; in practice a ``Gate``."""


class Front:
    """ASGI application around BentoML's.

    ``answers``: what answers the hot routes, by their path; BentoML answers those that are missing.
    ``draining``: whether clients should send their next request elsewhere. ``cors``: which pages of
    other sites may ask; by default none. ``admit`` is asked before the body is read. ``console``:
    answers what is below its path, to pages of no other site.
    """

    def __init__(
        self,
        app: Starlette,
        answers: Mapping[str, Answer],
        draining: Callable[[], bool] = lambda: False,
        cors: Cors | None = None,
        admit: Admit = lambda _: None,
        console: ASGIApp | None = None,
    ) -> None:
        self._app = app
        self._answers = answers
        self._draining = draining
        self._cors = cors or Cors()
        self._admit = admit
        self._throttle = Throttle()
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            preflight = self._cors.preflight(scope)
            if preflight is not None:
                await preflight.send(self._closing(send))
                return
        if self._cors.allows_pages and not is_console(scope["path"]):
            send = self._cors.marked(scope, send)
        refusal = self._admit(scope)
        path = scope["path"]
        if refusal is not None:
            if oip.is_below(path):
                refusal = oip.in_their_shape(refusal)
            late = self._throttle.wait(time.monotonic())
            if late and not self._draining():
                await asyncio.sleep(late)
            await self._send(refusal, send)
            return
        route = HOT.get(path)
        if route is None:
            if oip.is_below(path):
                await self._door(oip.asked(path), _OIP, scope, receive, send)
                return
            if labelstudio.is_labelstudio(path):
                await self._door(labelstudio.asked(path), _LABELSTUDIO, scope, receive, send)
                return
            if (model := model_in(path)) is not None:
                route = PREDICT
                scope["path_params"] = {"model": model}
        if route is not None:
            await self._hot(route, scope, receive, send)
        elif self._console is not None and is_console(scope["path"]):
            with contextlib.suppress(RuntimeError, OSError):
                await self._console(scope, receive, self._closing(send))
        elif self._is_known(scope) or self._is_known_without_slash(scope):
            await self._shaped(scope, receive, send)
        else:
            # Not passed on: BentoML would keep a metric for each path that anybody ever tries.
            await error_reply(_UNKNOWN).send(self._closing(send))

    def _closing(self, send: Send) -> Send:
        """``send``, but asking for the end of the connection if the server drains.

        Call it when the answer is there: the server may have begun to drain since the request came.
        """
        return closing(send) if self._draining() else send

    async def _send(self, reply: Reply, send: Send) -> None:
        # Not ``contextlib.suppress``, which costs each request half a microsecond.
        try:  # noqa: SIM105
            await reply.send(self._closing(send))
        except (RuntimeError, OSError):
            # uvloop raises if the client has closed the connection.
            pass

    async def _door(
        self, asked: Asked | None, door: _Door, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer what comes by another protocol; ``asked``: None if it has no such path."""
        if asked is None:
            reply = door.refuse(door.unknown)
        elif scope["method"] == asked.route.method or (
            scope["method"] == "HEAD" and asked.route.method == "GET"
        ):
            scope["path_params"] = {"model": asked.model}
            try:
                reply = await self._answers[asked.route.path](scope, receive)
            except Exception as error:  # noqa: BLE001 - it is logged
                logger.error("%s %s failed", scope["method"], scope["path"], extra=raised(error))  # noqa: TRY400 - as text
                reply = door.refuse(INTERNAL)
        else:
            method = asked.route.method
            reply = door.refuse(WrongMethodError(f"{scope['path']} accepts {method} only."))
            reply.headers.append((b"allow", method.encode()))
        await self._send(reply, send)

    async def _hot(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answers.get(route.path)
        if answer is not None and scope["method"] == route.method:
            await self._send(await answer(scope, receive), send)
            return
        scope["path"] = route.path
        # For some types BentoML would refuse the body, and log a traceback.
        scope["headers"] = [
            (ORIGINAL_TYPE if name == b"content-type" else name, value)
            for name, value in scope["headers"]
        ]
        await self._shaped(scope, receive, send)

    async def _shaped(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        body = b""
        started = False

        async def shaped_send(message: Message) -> None:
            nonlocal start, body, started, send
            if message["type"] == "http.response.start":
                send = self._closing(send)
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
        except Exception as error:
            logger.error("%s %s failed", scope["method"], scope["path"], extra=raised(error))  # noqa: TRY400 - as text
            if started:
                raise
            await error_reply(INTERNAL).send(self._closing(send))

    def _is_known(self, scope: Scope) -> bool:
        """Whether the application has a route for this path, by any method."""
        for route in self._app.routes:
            match, _ = route.matches(scope)
            if match is Match.NONE:
                continue
            if isinstance(route, Mount) and isinstance(route.app, StaticFiles):
                name = scope["path"].removeprefix(route.path).lstrip("/")
                return route.app.lookup_path(name)[1] is not None
            return True
        return False

    def _is_known_without_slash(self, scope: Scope) -> bool:
        """Whether the path is one with a slash too many, which is then taken away."""
        path = scope["path"]
        if not path.endswith("/") or not self._is_known({**scope, "path": path.rstrip("/")}):
            return False
        scope["path"] = path.rstrip("/")
        scope["raw_path"] = scope["raw_path"].rstrip(b"/")
        return True


def _detail(status: int, headers: MutableHeaders, body: bytes, scope: Scope) -> bytes:
    """``{"detail": …}`` from a ``body`` of any shape."""
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
        return f"{scope['path']} accepts {headers.get('allow', 'another method')} only."
    if status == HTTPStatus.SERVICE_UNAVAILABLE and _is_text(headers) and body:
        return body.decode(errors="replace")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return str(INTERNAL)
    phrases = {known.value: known.phrase for known in HTTPStatus}
    return f"{phrases.get(status, 'The request was refused')}."


def _is_text(headers: MutableHeaders) -> bool:
    return headers.get("content-type", "").startswith("text/plain")
