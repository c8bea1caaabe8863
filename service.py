"""The BentoML service: routes, wiring and lifecycle. Each part is where its import says."""

import asyncio
import gc
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.resource import CpuResource
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from errors import RecordsError, SettingsError
from models.store import Store
from serving.catalog import Catalog
from serving.endpoint import Endpoint
from serving.feedback import Feedback
from serving.gauges import Gauges
from serving.http.body import BODY_SECONDS
from serving.http.document import openapi
from serving.http.drain import Drain
from serving.http.front import Front
from serving.http.reply import Reply
from serving.http.schema import (
    BatchRequest,
    BatchResponse,
    FeedbackRequest,
    FeedbackResponse,
    PredictRequest,
    PredictResponse,
)
from serving.inference.registry import Registry
from serving.metrics import forget_dead_workers
from serving.recording.connection import RecordsConnection, load, prepare
from serving.recording.recorder import Recorder
from serving.supervisor import supervise
from settings import settings

try:
    SETTINGS = settings()
except SettingsError as error:
    sys.exit(str(error))

# One store for the Bento's models below and for the worker: each manifest is read once.
STORE = Store()
WORKERS = SETTINGS.workers or int(CpuResource.from_system()) or 1
DRAIN = Drain(SETTINGS.drain_ms / 1000)
TRACED = BentoMLContainer.tracing.exporter_type.get() is not None


class Unread:
    """A request that BentoML takes for parsed fields: one, named ``request``."""

    model_fields = ("request",)

    def __init__(self, request: Request) -> None:
        self.request = request


class Raw:
    """Hands a request itself to the method whose fields the class describes.

    BentoML would choose a parser by ``Content-Type`` (a form's, for ``curl -d``) and log a
    traceback for each fault; the endpoint reads every body as JSON and answers with one sentence.
    """

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> Unread:  # noqa: ARG003 - BentoML's signature
        return Unread(request)


class PredictInput(Raw, PredictRequest, bentoml.IODescriptor):
    """The fields of ``/predict/``, for BentoML's clients."""


class BatchInput(Raw, BatchRequest, bentoml.IODescriptor):
    """The fields of ``/predict/batch/``, for BentoML's clients."""


class FeedbackInput(Raw, FeedbackRequest, bentoml.IODescriptor):
    """The fields of ``/feedback/``, for BentoML's clients."""


class Pupila:
    """Image classification you can put in front of users and leave there."""

    def __init__(self) -> None:
        self.registry = Registry(STORE, SETTINGS)
        self.records = RecordsConnection(SETTINGS)
        self.recorder = Recorder(SETTINGS, self.records, WORKERS) if SETTINGS.record else None
        self.endpoint = Endpoint(self.registry, SETTINGS, self.recorder)
        self.feedback_endpoint = Feedback(
            self.registry,
            SETTINGS,
            self.records,
            self.recorder,
            self.endpoint.admission,
            # Other servers may write to a database that was named.
            others=WORKERS > 1 or SETTINGS.database_url is not None,
        )
        self.running = AsyncExitStack()
        CATALOG.bind(self.registry)
        if not TRACED:
            service.context.state["answers"] = {
                "/predict/": self.endpoint.predict,
                "/predict/batch/": self.endpoint.predict_batch,
                "/feedback/": self.feedback_endpoint.feedback,
            }

    @bentoml.on_deployment
    @staticmethod
    def prepare() -> None:
        """Once for all workers, before they start."""
        supervise()
        # By now BentoML has taken a Bento's sources off the path again.
        sys.path.append(str(Path(__file__).parent))
        try:
            prepare(SETTINGS)
        except RecordsError as error:
            sys.exit(str(error))

    @bentoml.on_startup
    async def start(self) -> None:
        forget_dead_workers(Path(BentoMLContainer.prometheus_multiproc_dir.get()))
        DRAIN.listen()
        self.running.callback(self.records.close)
        self.running.callback(self.feedback_endpoint.close)
        await self.running.enter_async_context(self.registry.watching())
        if self.recorder is not None:
            # Before the collector is told to leave alone what was imported.
            await asyncio.to_thread(load)
            await self.running.enter_async_context(self.recorder.running())
            await self.running.enter_async_context(Gauges(self.records).refreshing())
        # Without this, full collections over the imported libraries are the latency's tail.
        gc.collect()
        gc.freeze()
        # What a request makes is freed without the collector; with the usual 700, it ran within
        # the parsing of one large body until that took a second.
        gc.set_threshold(50_000, 20, 100)

    @bentoml.on_shutdown
    async def stop(self) -> None:
        await self.running.aclose()

    @bentoml.api(route="/predict/", input_spec=PredictInput, output_spec=PredictResponse)
    async def predict(self, request: Request) -> Response:
        """Classify one image."""
        return _response(await self.endpoint.predict(request.scope, request.receive))

    @bentoml.api(route="/predict/batch/", input_spec=BatchInput, output_spec=BatchResponse)
    async def predict_batch(self, request: Request) -> Response:
        """Classify up to 256 images."""
        return _response(await self.endpoint.predict_batch(request.scope, request.receive))

    @bentoml.api(route="/feedback/", input_spec=FeedbackInput, output_spec=FeedbackResponse)
    async def feedback(self, request: Request) -> Response:
        """Say what an image really is."""
        return _response(await self.feedback_endpoint.feedback(request.scope, request.receive))

    async def __is_ready__(self) -> bool:
        if DRAIN.begun:
            raise HTTPException(503, "The server is ending.")
        readiness = self.registry.readiness()
        if not readiness.ready:
            raise HTTPException(503, readiness.reason)
        return True


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    response.raw_headers = reply.headers
    return response


service: Any = bentoml.service(
    name="pupila",
    workers=SETTINGS.workers or "cpu_count",
    http={"port": SETTINGS.port},
    # Ours strikes first, so that no client sees BentoML's 504; and BentoML keeps a timer for every
    # request that reaches it until this time is over, so it is no longer than it must be.
    traffic={"timeout": BODY_SECONDS + SETTINGS.deadline_ms / 1000 + 1},
)(Pupila)


def document() -> dict[str, Any]:
    """The OpenAPI document of this service."""
    version = service.bento.tag.version if service.bento else "development"
    return openapi("Pupila", version, Pupila.__doc__ or "")


CATALOG = Catalog(document)
service.mount_asgi_app(CATALOG.app)
# Answers /predict/ before BentoML's own layers do, unless a trace is wanted, which they make.
service.add_asgi_middleware(
    Front,
    answers=lambda: service.context.state.get("answers", {}),
    ending=lambda: DRAIN.begun,
)
# Only models declared here are packed into a Bento.
service.models.extend(bentoml.models.BentoModel(version.tag) for version in STORE.champions())
