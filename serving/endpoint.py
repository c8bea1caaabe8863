"""``POST /predict/``: from a request to its response, errors included; nothing is raised."""

import asyncio
import logging
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from errors import OverloadedError, RequestError
from serving.admission import Admission
from serving.body import read_body
from serving.engine import Engine
from serving.faults import INTERNAL, fault_response
from serving.registry import Registry
from serving.schema import Query, parse_query
from settings import Settings

logger = logging.getLogger("pupila.predict")


class Endpoint:
    """Reads a request, finds who answers, and says so in JSON."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._admission = Admission(settings)
        self._max_body_bytes = settings.max_body_bytes

    async def predict(self, request: Request) -> Response:
        query: Query | None = None
        try:
            query = parse_query(await read_body(request, self._max_body_bytes))
            with self._admission:
                return await self._answer(query)
        except RequestError as error:
            return fault_response(error)
        except Exception:
            logger.exception("request %r failed", query.request_id if query else None)
            return fault_response(INTERNAL)

    async def _answer(self, query: Query) -> Response:
        expires = asyncio.get_running_loop().time() + self._admission.deadline_seconds
        engine = self._registry.loaded(query.model) or await self._load(query.model, expires)
        prediction = await engine.predict(query.image, query.probabilities, expires)
        content: dict[str, Any] = {
            "request_id": query.request_id,
            "prediction": prediction.label,
        }
        if prediction.probabilities is not None:
            content["probabilities"] = prediction.probabilities
        return Response(
            orjson.dumps(content),
            media_type="application/json",
            headers={"X-Model-Version": engine.version.tag},
        )

    async def _load(self, model: str, expires: float) -> Engine:
        try:
            async with asyncio.timeout_at(expires):
                return await self._registry.load(model)
        except TimeoutError:
            raise OverloadedError(f"{model} is being loaded; try again.") from None
