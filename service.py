"""The BentoML service: routes, wiring and lifecycle. Each part is where its import says."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import bentoml
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

import internals
import internals_metrics
import internals_supervisor
from errors import KeysError, ModelError, RecordsError, SettingsError
from logs import setup
from logs.lines import fields
from models.packing import packed_tags
from models.roots import packed_store
from models.store import Store
from records.current import champions
from serving import interpreter
from serving.catalog import Catalog
from serving.endpoint import Endpoint
from serving.exposition import Exposition
from serving.facts import Facts
from serving.feedback import Feedback
from serving.gauges import Gauges, beating
from serving.grpc.lifecycle import grpc
from serving.http import descriptors
from serving.http.body import BODY_SECONDS
from serving.http.cors import Cors
from serving.http.deferred import Deferred
from serving.http.document import openapi
from serving.http.drain import Drain
from serving.http.front import Answer, Front
from serving.http.guard import HEAD_SECONDS, Limits
from serving.http.oip import INDEX, INFER
from serving.http.raw import Raw
from serving.http.routes import FEEDBACK, PREDICT, PREDICT_BATCH
from serving.http.schema import (
    BatchRequest,
    FeedbackRequest,
    FeedbackResponse,
    PredictRequest,
    PredictResponse,
)
from serving.http.server import certificate_expiry, use_http_protocol
from serving.http.shared import SharedProtocol
from serving.inference.admission import Admission
from serving.inference.memory import workers
from serving.keys.gate import Gate
from serving.keys.keyring import Keyring
from serving.keys.watch import KeyWatch, opening
from serving.labelstudio.backend import Backend
from serving.oip.infer import Infer
from serving.oip.metadata import Index, Metadata
from serving.predictions import Predict, PredictBatch
from serving.processes import families
from serving.recording.connection import RecordsConnection, load, prepare
from serving.recording.keeper import DiskKeeper
from serving.recording.recorder import Recorder
from serving.refusals import refuse
from serving.rollouts import Rollouts
from serving.routing.registry import Registry
from serving.routing.trials import Trials
from serving.routing.watch import RoutingWatch
from serving.series import EXEMPLARS
from serving.supervision import Supervision, give_up
from serving.tracing.lifecycle import tracing
from serving.within import Within
from settings import settings

logger = logging.getLogger("pupila.server")
try:
    SETTINGS = settings()
    # Not where a Bento is built, or the document of the routes is made.
    if internals.is_server():
        setup.for_server(SETTINGS, internals.worker_number())
except SettingsError as error:
    setup.for_failure()
    give_up(str(error))

# One store for the Bento's models below and for the worker: each manifest is read once.
try:
    STORE = Store(aliases=champions)
except ModelError as error:
    give_up(str(error))
WORKERS, BY = workers(SETTINGS)
DRAIN = Drain(SETTINGS.drain_ms / 1000)
TRACED = internals.is_traced()
CORS = Cors(SETTINGS.allowed_origins)
ANSWERS: dict[str, Answer] = {}
ROLLOUTS = Rollouts()
KEYRING = Keyring(required=SETTINGS.is_closed)
GATE = Gate(KEYRING, metrics_open=SETTINGS.metrics_open)
WITHIN = Within(SETTINGS, STORE, KEYRING)
internals.do_not_track(SETTINGS.do_not_track)
PORTS = 1 if SETTINGS.grpc_address is None else 2
CONNECTIONS = descriptors.connections(SETTINGS.max_connections, PORTS)
IDLE_SECONDS = SETTINGS.keep_alive_seconds
SharedProtocol.limits = Limits(HEAD_SECONDS, BODY_SECONDS + 1, IDLE_SECONDS, CONNECTIONS)
internals.leave_out_unused()
internals.use_own_metrics_folder()
use_http_protocol("serving.http.shared:SharedProtocol")


class PredictInput(Raw, PredictRequest, bentoml.IODescriptor):
    """The fields of a prediction, for BentoML's clients."""


class BatchInput(Raw, BatchRequest, bentoml.IODescriptor):
    """The fields of a batch, for BentoML's clients."""


class FeedbackInput(Raw, FeedbackRequest, bentoml.IODescriptor):
    """The fields of a label, for BentoML's clients."""


class Champions(list[Any]):
    """The models to pack, once BentoML asks: a worker never does, and needs no database for it."""

    def __iter__(self) -> Iterator[Any]:
        return (bentoml.models.BentoModel(tag) for tag in packed_tags(STORE))


class Pupila:
    """Image classification you can put in front of users and leave there."""

    def __init__(self) -> None:
        self.records = RecordsConnection(SETTINGS)
        self.recorder = Recorder(SETTINGS, self.records, WORKERS) if SETTINGS.record else None
        self.registry = Registry(STORE, SETTINGS, Trials(SETTINGS, self.recorder))
        admission = Admission(SETTINGS)
        parts = (self.registry, SETTINGS, admission, self.recorder)
        # Other servers may write to a database that is shared.
        shared = WORKERS > 1 or SETTINGS.database_url is not None
        self.labels = Feedback(*parts, self.records, shared=shared, workers=WORKERS)
        self.endpoints: dict[str, Endpoint] = {
            PREDICT.path: Predict(*parts),
            PREDICT_BATCH.path: PredictBatch(*parts),
            FEEDBACK.path: self.labels,
        }
        self.running = AsyncExitStack()
        CATALOG.bind(self.registry)
        FACTS.bind(self.registry)
        ROLLOUTS.bind(self.registry, self.records)
        WITHIN.bind(self.endpoints, CATALOG.app, admission, self.registry, self.records)
        # Traces of BentoML's own are made by its layers, which the front would bypass.
        ANSWERS.update({} if TRACED else self.endpoints)
        self.backend = Backend(*parts, self.records, WORKERS)
        ANSWERS.update(self.backend.answers())
        ANSWERS.update({INFER.path: Infer(*parts), INDEX.path: Index(*parts[:3])})
        ANSWERS.update(Metadata(self.registry, release, lambda: DRAIN.begun).answers())

    @bentoml.on_deployment
    @staticmethod
    def prepare() -> None:
        """Once, before the workers start."""
        setup.for_server(SETTINGS)
        logger.info(
            "the server starts",
            extra=fields(
                version=release(), workers=WORKERS, by=BY, settings=setup.described(SETTINGS)
            ),
        )
        # BentoML has taken a Bento's sources off the path again. In front: a package named like one
        # of our folders must not be imported in its place.
        sys.path.insert(0, str(Path(__file__).parent))
        try:
            address = refuse(SETTINGS, service, traced=TRACED)
            prepare(SETTINGS)
            logger.info("%s", opening(SETTINGS))
        except (KeysError, RecordsError, SettingsError) as error:
            give_up(str(error))
        internals_supervisor.supervise(Supervision())
        if address is not None:
            logger.info("the server listens", extra=fields(host=address[0], port=address[1]))

    @bentoml.on_startup
    async def start(self) -> None:
        FACTS.certificate = certificate_expiry()
        self.running.enter_context(SharedProtocol.serving(WORKERS))
        DRAIN.listen(SharedProtocol.leave)
        await self.running.enter_async_context(beating())
        trace = tracing(SETTINGS, release(), internals.worker_number(), Endpoint)
        await self.running.enter_async_context(trace)
        for closed in (self.records, self.labels, self.backend):
            self.running.callback(closed.close)
        keys = KeyWatch(SETTINGS, self.records, KEYRING, WORKERS)
        await self.running.enter_async_context(keys.running())
        routing = RoutingWatch(SETTINGS, self.records, self.registry)
        # Before the store is read, so that nobody answers who was not decided on.
        await routing.refresh()
        await self.running.enter_async_context(self.registry.watching())
        await self.running.enter_async_context(routing.running())
        if self.recorder is not None:
            # Before gc.freeze, which exempts what is imported by then.
            await asyncio.to_thread(load)
            await self.running.enter_async_context(self.recorder.running())
            await self.running.enter_async_context(Gauges(self.records).refreshing())
            await self.running.enter_async_context(DiskKeeper(SETTINGS, self.records).running())
        await self.running.enter_async_context(grpc(SETTINGS, ANSWERS, GATE, CONNECTIONS))
        interpreter.settle()
        SharedProtocol.join()
        ready = self.registry.readiness().reason
        logger.info(
            "a worker has started", extra=fields(seconds=interpreter.lived(), readiness=ready)
        )

    @bentoml.on_shutdown
    async def stop(self) -> None:
        await self.running.aclose()
        logger.info("a worker has ended", extra=fields(seconds=interpreter.lived()))

    @bentoml.api(route=PREDICT.path, input_spec=PredictInput, output_spec=PredictResponse)
    async def predict(self, request: Request) -> Response:
        """Classify one image."""
        return await self._answer(PREDICT.path, request)

    @bentoml.api(
        route=PREDICT_BATCH.path, input_spec=BatchInput, output_spec=PREDICT_BATCH.response
    )
    async def predict_batch(self, request: Request) -> Response:
        """Classify up to 256 images."""
        return await self._answer(PREDICT_BATCH.path, request)

    @bentoml.api(route=FEEDBACK.path, input_spec=FeedbackInput, output_spec=FeedbackResponse)
    async def feedback(self, request: Request) -> Response:
        """Send the true label of an image."""
        return await self._answer(FEEDBACK.path, request)

    async def _answer(self, path: str, request: Request) -> Response:
        reply = await self.endpoints[path](request.scope, request.receive)
        response = Response(reply.body, reply.status)
        response.raw_headers = reply.headers
        return response

    async def __is_ready__(self) -> bool:
        if DRAIN.begun:
            raise HTTPException(503, "The server is shutting down.")
        readiness = self.registry.readiness()
        if not readiness.ready:
            raise HTTPException(503, readiness.reason)
        return True


class FrontedService(bentoml.Service[Pupila]):
    """A BentoML service with ``Front`` around everything that BentoML puts around it."""

    def to_asgi(self, is_main: bool = True) -> Front:
        app = internals.without_timers(super().to_asgi(is_main))
        pages = Deferred(console) if SETTINGS.console else None
        return Front(app, ANSWERS, lambda: DRAIN.begun, CORS, GATE, pages)


service: Any = bentoml.service(
    name="pupila",
    service_class=FrontedService,
    # A Bento is built elsewhere than it runs.
    workers=WORKERS if internals.is_server() else SETTINGS.workers or "cpu_count",
    http={"port": SETTINGS.port},
    # Its layer counts what the front passes on to it, under other names.
    metrics={"enabled": False},
)(Pupila)


def release() -> str:
    """The version of the Bento, which BentoML tells a service after its import."""
    return service.bento.tag.version if service.bento else "development"


def console() -> ASGIApp:
    """The pages, which only the first visit imports."""
    from console.app import Console

    return Console(WITHIN)


def document() -> dict[str, Any]:
    """The OpenAPI document of this service."""
    return openapi("Pupila", release(), Pupila.__doc__ or "")


FACTS = Facts(release, KEYRING, internals.bentoml_home() / "pupila-fetched")
METRICS = Exposition(
    internals_metrics.folder(), EXEMPLARS, FACTS.families, lambda: families(os.getppid())
)
CATALOG = Catalog(document, [*ROLLOUTS.routes, METRICS.route], console=SETTINGS.console)
service.mount_asgi_app(CATALOG.app)
# Only models declared here are packed into a Bento.
if packed_store() is None:
    service.models = Champions()
