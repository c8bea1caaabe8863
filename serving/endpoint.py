"""The predictions' two routes: from a request to its reply, errors included; nothing is raised."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.types import Receive, Scope

from errors import InternalError, OverloadedError, RejectedImageError, RequestError
from serving.access import AccessLog
from serving.http.body import has_left, read_body
from serving.http.parser import Item, parse_batch, parse_query
from serving.http.reply import INTERNAL, Reply, fault_reply, json_reply
from serving.inference.admission import Admission
from serving.inference.batcher import Answer
from serving.inference.engine import Engine, Prediction
from serving.inference.registry import Registry
from serving.metrics import NO_VERSION, REJECTED
from serving.recording.recorder import Recorder
from settings import Settings

logger = logging.getLogger("pupila.predict")

Left = Callable[[], bool]
"""Whether the client has gone."""


@dataclass(slots=True)
class _Exchange:
    """What is known of a request so far, for its log, metrics and record.

    ``image`` and ``answer`` are those of a single prediction.
    """

    route: str
    request_id: str | int | None = None
    engine: Engine | None = None
    image: bytes = b""
    answer: Answer | None = None


class Endpoint:
    """Reads a request, finds who answers, and says so in JSON."""

    def __init__(
        self, registry: Registry, settings: Settings, recorder: Recorder | None = None
    ) -> None:
        """Without a recorder, nothing is kept."""
        self._registry = registry
        self._recorder = recorder
        self.admission = Admission(settings)
        self._max_body_bytes = settings.max_body_bytes
        self._access = AccessLog(settings)

    async def predict(self, scope: Scope, receive: Receive) -> Reply:
        """``POST /predict/``"""
        return await self._reply(_Exchange("/predict/"), self._one, scope, receive)

    async def predict_batch(self, scope: Scope, receive: Receive) -> Reply:
        """``POST /predict/batch/``"""
        return await self._reply(_Exchange("/predict/batch/"), self._many, scope, receive)

    async def _reply(
        self,
        exchange: _Exchange,
        answer: Callable[[_Exchange, bytes, Left], Awaitable[Reply]],
        scope: Scope,
        receive: Receive,
    ) -> Reply:
        started = time.perf_counter()
        try:
            with self.admission.bodies() as hold:
                body = await read_body(scope, receive, self._max_body_bytes, hold)
                reply = await answer(exchange, body, lambda: has_left(receive))
        except RequestError as error:
            if isinstance(error, OverloadedError):
                REJECTED.labels(error.reason).inc()
            elif isinstance(error, InternalError):
                logger.exception("request %r failed", exchange.request_id)
            reply = fault_reply(error)
        except Exception:
            logger.exception("request %r failed", exchange.request_id)
            reply = fault_reply(INTERNAL)
        seconds = time.perf_counter() - started
        engine = exchange.engine
        (engine.metrics if engine else NO_VERSION).answered(reply.status, seconds)
        if self._recorder is not None:
            if engine is not None and exchange.answer is not None:
                self._recorder.predicted(
                    engine, exchange.request_id, exchange.image, exchange.answer, seconds
                )
            else:
                self._recorder.took(engine, seconds)
                if reply.status != HTTPStatus.OK:
                    self._recorder.failed(engine, reply.status)
        self._access.log(
            exchange.route,
            exchange.request_id,
            engine.version.tag if engine else None,
            reply.status,
            seconds,
        )
        return reply

    async def _one(self, exchange: _Exchange, body: bytes, left: Left) -> Reply:
        with self.admission.places(1):
            query = parse_query(body)
            exchange.request_id = query.request_id
            expires = self._expires()
            engine = exchange.engine = await self._engine(query.model, expires)
            try:
                prediction = await engine.predict(query.image, query.probabilities, expires, left)
            except RejectedImageError as error:
                if self._recorder is not None:
                    self._recorder.rejected(engine, query.request_id, query.image, error.reason)
                raise
        reply = json_reply(_content(query.request_id, prediction), engine.header)
        exchange.image, exchange.answer = query.image, prediction.answer
        return reply

    async def _many(self, exchange: _Exchange, body: bytes, left: Left) -> Reply:
        query = parse_batch(body)
        with self.admission.places(len(query.items)):
            expires = self._expires()
            engine = exchange.engine = await self._engine(query.model, expires)

            async def one(item: Item) -> Prediction:
                if isinstance(item.image, RequestError):
                    raise item.image
                return await engine.predict(item.image, query.probabilities, expires, left)

            outcomes = await asyncio.gather(*map(one, query.items), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, RequestError):
                raise outcome
        if all(isinstance(outcome, OverloadedError) for outcome in outcomes):
            raise outcomes[0]  # type: ignore[misc]
        if self._recorder is not None:
            for item, outcome in zip(query.items, outcomes, strict=True):
                _record(self._recorder, engine, item, outcome)
        answers = [
            {"request_id": item.request_id, "detail": str(outcome)}
            if isinstance(outcome, BaseException)
            else _content(item.request_id, outcome)
            for item, outcome in zip(query.items, outcomes, strict=True)
        ]
        return json_reply({"items": answers}, engine.header)

    def _expires(self) -> float:
        return time.monotonic() + self.admission.deadline_seconds

    async def _engine(self, model: str, expires: float) -> Engine:
        engine = self._registry.loaded(model)
        if engine is not None:
            return engine
        try:
            async with asyncio.timeout(expires - time.monotonic()):
                return await self._registry.load(model)
        except TimeoutError:
            raise OverloadedError(f"{model} is being loaded; try again.", "loading") from None


def _record(
    recorder: Recorder, engine: Engine, item: Item, outcome: Prediction | BaseException
) -> None:
    image = item.image
    if isinstance(outcome, RequestError):
        recorder.failed(engine, outcome.status)
        if isinstance(outcome, RejectedImageError) and isinstance(image, bytes):
            recorder.rejected(engine, item.request_id, image, outcome.reason)
    elif isinstance(outcome, Prediction) and isinstance(image, bytes):
        recorder.predicted(engine, item.request_id, image, outcome.answer)


def _content(request_id: str | int | None, prediction: Prediction) -> dict[str, Any]:
    content: dict[str, Any] = {"request_id": request_id, "prediction": prediction.label}
    if prediction.probabilities is not None:
        content["probabilities"] = prediction.probabilities
    return content
