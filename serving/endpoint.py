"""What every ``POST`` route does with a request: read the body, answer, count, log, record.

An endpoint raises nothing: every error is a reply.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from starlette.types import Receive, Scope

from errors import OverloadedError, RequestError, forget
from serving.access import AccessLog
from serving.http.body import is_client_gone, read_body
from serving.http.reply import INTERNAL, Headers, Reply, error_reply
from serving.http.route import Route
from serving.inference.admission import Admission
from serving.inference.batcher import Answer
from serving.inference.engine import Engine
from serving.inference.honesty import Said
from serving.keys.caller import CALLER, Caller
from serving.metrics import REJECTED
from serving.routing.trial import Tried
from serving.series import NO_VERSION
from serving.tracing.context import traceparent
from serving.tracing.tracer import Tracer
from settings import Settings

ClientGone = Callable[[], bool]
"""Whether the client has disconnected."""


@dataclass(slots=True)
class Exchange:
    """What is known of a request so far, for its log line, metrics and record.

    ``image`` and ``answer`` are those of a single prediction; ``tried``: who was asked for it,
    while a challenger is on trial; ``said``: what else the version says of it. ``headers`` go with
    the answer, even if it is an error. ``caller``: who has the key that the request came with; None
    on a server without keys.
    """

    scope: Scope
    headers: Headers = field(default_factory=list)
    request_id: str | int | None = None
    engine: Engine | None = None
    image: bytes = b""
    answer: Answer | None = None
    tried: Tried | None = None
    said: Said | None = None
    caller: Caller | None = None

    def charge(self, items: int) -> None:
        """Count the images or labels of a request towards the limits of its key."""
        if self.caller is not None:
            self.caller.charge(items - 1)

    def require(self, model: str) -> None:
        """Raises ForbiddenError unless the key may ask this model."""
        if self.caller is not None:
            self.caller.require(model)


class Endpoint(ABC):
    """Answers one route."""

    route: ClassVar[Route]
    tracer: ClassVar[Tracer | None] = None
    """Of all endpoints of this worker; None while nobody collects traces."""

    def __init__(self, settings: Settings, admission: Admission) -> None:
        self._admission = admission
        self._max_body_bytes = settings.max_body_bytes
        self._access = AccessLog(settings)

    async def __call__(self, scope: Scope, receive: Receive) -> Reply:
        started = time.perf_counter()
        exchange = Exchange(scope, caller=scope.get(CALLER))
        failure: Exception | None = None
        tracer = self.tracer
        trace = None if tracer is None else tracer.begin(scope, started)
        try:
            with self._admission.bodies() as hold:
                body = await read_body(scope, receive, self._max_body_bytes, hold)
                if trace is not None:
                    trace.stage("body", started, **{"http.request.body.size": len(body)})
                reply = await self.answer(exchange, body, lambda: is_client_gone(receive))
        except RequestError as error:
            if isinstance(error, OverloadedError):
                REJECTED.labels(error.reason).inc()
            failure = error
            reply = self.refusal(error)
        except Exception as error:  # noqa: BLE001 - it is logged below
            failure = error
            reply = self.refusal(INTERNAL)
        reply.headers.extend(exchange.headers)
        seconds = time.perf_counter() - started
        engine = exchange.engine
        path = self.route.path
        metrics = engine.metrics if engine else NO_VERSION
        bound = metrics.answered(path, reply.status, seconds)
        self.record(exchange, reply.status, seconds)
        tag = engine.tag if engine else None
        logged = self._access.log(
            path,
            exchange.request_id,
            tag,
            reply.status,
            seconds,
            failure,
            None if trace is None else trace.trace_id,
        )
        if logged is not None:
            metrics.logged(path, bound, logged, seconds)
            if failure is not None:
                reply.headers.append((b"x-trace-id", logged.encode()))
        if trace is not None and tracer is not None:
            named = traceparent(trace.trace_id, trace.span_id, sampled=trace.sampled)
            reply.headers.append((b"traceparent", named))
            if trace.sampled:
                metrics.logged(path, bound, trace.trace_id, seconds)
            tracer.end(
                trace,
                scope,
                path,
                reply.status,
                seconds,
                tag=tag,
                request_id=exchange.request_id,
                error=failure,
            )
        # Its traceback has this frame, which has it, and perhaps others that do: the body would
        # stay, which had a worker of 512 MiB killed by large images that were refused.
        forget(failure)
        failure = None
        return reply

    def refusal(self, error: RequestError) -> Reply:
        """The reply for an error."""
        return error_reply(error)

    @abstractmethod
    async def answer(self, exchange: Exchange, body: bytes, client_gone: ClientGone) -> Reply:
        """The reply to a body; notes in ``exchange`` what it learns. Raises RequestError."""

    @abstractmethod
    def record(self, exchange: Exchange, status: int, seconds: float) -> None:
        """Hand over what is kept of the request, which took ``seconds``."""
