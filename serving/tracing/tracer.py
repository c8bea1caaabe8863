"""Chooses the requests that are traced, and gathers what their spans say."""

import random
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from starlette.types import Scope

from errors import PupilaError
from serving.http.headers import header
from serving.tracing.context import Parent, parent_of
from serving.tracing.trace import TRACE, Attributes, Trace, tagged

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+)(?::([0-9]{1,5}))?")

# Of what a client chooses: a trace is no place to keep its 32 KB of headers.
_LONGEST: Final = 256


class Tracer:
    """Of a worker; its methods run in the event loop.

    A caller that names its span in ``traceparent`` decides; of the other requests, the share
    ``ratio`` is traced (OpenTelemetry's samplers ParentBased and TraceIdRatioBased).
    """

    def __init__(self, ratio: float, put: Callable[[Trace], None]) -> None:
        """``put`` is given each trace when its request is answered, and must not wait."""
        self._ratio = ratio
        self._put = put
        chance = random.Random()  # noqa: S311 - no secrets
        self._random, self._bits = chance.random, chance.getrandbits

    def begin(self, scope: Scope, began: float) -> Trace | None:
        """What to note the request's times in; None, usually, if it is not traced."""
        parent: Parent | None = None
        for name, _ in scope["headers"]:
            if name == b"traceparent":
                parent = parent_of(scope["headers"])
                break
        if parent is None:
            if self._random() >= self._ratio:
                return None
            trace = Trace(f"{self._bits(128) or 1:032x}", self._span_id(), began)
        else:
            trace = Trace(
                parent.trace_id,
                self._span_id(),
                began,
                parent_id=parent.span_id,
                state=parent.state,
                sampled=parent.sampled,
            )
        if trace.sampled:
            TRACE.set(trace)
        return trace

    def end(
        self,
        trace: Trace,
        scope: Scope,
        route: str,
        status: int,
        seconds: float,
        *,
        tag: str | None,
        request_id: str | int | None,
        error: Exception | None,
    ) -> None:
        """The request is answered, by the version ``tag`` if one was found; ``error``: why it
        failed."""
        if not trace.sampled:
            return
        TRACE.set(None)
        about = _of_http(scope) | {"http.route": route, "http.response.status_code": status}
        if tag is not None:
            about |= tagged(tag)
        if request_id is not None:
            about["pupila.request_id"] = str(request_id)[:_LONGEST]
        fault = None
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # What a client did wrong is no error of a server's span.
            about["error.type"] = str(status) if error is None else type(error).__name__
            fault = str(error) if isinstance(error, PupilaError) else ""
        trace.end(f"{scope['method']} {route}", trace.began + seconds, about, fault)
        self._put(trace)

    def _span_id(self) -> str:
        return f"{self._bits(64) or 1:016x}"


def _of_http(scope: Scope) -> Attributes:
    """https://opentelemetry.io/docs/specs/semconv/http/http-spans/. Not the client's address, which
    is personal data."""
    about: Attributes = {
        "http.request.method": scope["method"],
        "url.scheme": scope.get("scheme", "http"),
        "url.path": scope.get("path", "")[:_LONGEST],
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    address, port = scope.get("server") or ("", None)
    host = header(scope, b"host")
    if host:
        found = _HOST.fullmatch(host[:_LONGEST].decode("latin-1"))
        if found is not None:
            address, port = found[1], int(found[2]) if found[2] else None
    if address:
        about["server.address"] = address.strip("[]")
        if port is not None:
            about["server.port"] = port
    agent = header(scope, b"user-agent")
    if agent:
        about["user_agent.original"] = agent[:_LONGEST].decode("latin-1")
    return about
