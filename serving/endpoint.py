"""``POST /predict/``: from a request to its reply, errors included; nothing is raised."""

import asyncio
import logging
import time
from typing import Any

from starlette.types import Receive, Scope

from errors import InternalError, OverloadedError, RequestError
from serving.access import AccessLog
from serving.admission import Admission
from serving.body import has_left, read_body
from serving.engine import Engine, Prediction
from serving.metrics import NO_VERSION, REJECTED
from serving.registry import Registry
from serving.reply import INTERNAL, Reply, fault_reply, json_reply
from serving.schema import Query, parse_query
from settings import Settings

logger = logging.getLogger("pupila.predict")


class Endpoint:
    """Reads a request, finds who answers, and says so in JSON."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._admission = Admission(settings)
        self._max_body_bytes = settings.max_body_bytes
        self._access = AccessLog(settings)

    async def answer(self, scope: Scope, receive: Receive) -> Reply:
        started = time.perf_counter()
        query: Query | None = None
        engine: Engine | None = None
        try:
            with self._admission.receiving() as hold:
                body = await read_body(scope, receive, self._max_body_bytes, hold)
            with self._admission:
                query = parse_query(body)
                expires = asyncio.get_running_loop().time() + self._admission.deadline_seconds
                engine = self._registry.loaded(query.model)
                if engine is None:
                    engine = await self._load(query.model, expires)
                prediction = await engine.predict(
                    query.image, query.probabilities, expires, lambda: has_left(receive)
                )
            reply = _reply(query, engine, prediction)
        except RequestError as error:
            if isinstance(error, OverloadedError):
                REJECTED.labels(error.reason).inc()
            elif isinstance(error, InternalError):
                logger.exception("request %r failed", query.request_id if query else None)
            reply = fault_reply(error)
        except Exception:
            logger.exception("request %r failed", query.request_id if query else None)
            reply = fault_reply(INTERNAL)
        seconds = time.perf_counter() - started
        (engine.metrics if engine else NO_VERSION).answered(reply.status, seconds)
        self._access.log(query, engine.version.tag if engine else None, reply.status, seconds)
        return reply

    async def _load(self, model: str, expires: float) -> Engine:
        try:
            async with asyncio.timeout_at(expires):
                return await self._registry.load(model)
        except TimeoutError:
            raise OverloadedError(f"{model} is being loaded; try again.", "loading") from None


def _reply(query: Query, engine: Engine, prediction: Prediction) -> Reply:
    content: dict[str, Any] = {"request_id": query.request_id, "prediction": prediction.label}
    if prediction.probabilities is not None:
        content["probabilities"] = prediction.probabilities
    return json_reply(content, engine.header)
