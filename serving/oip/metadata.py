"""What is served, as the Open Inference Protocol tells it: server, models, versions, readiness."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.types import Receive, Scope

from errors import BadRequestError, RequestError
from images.spec import ImageSpec
from models.manifest import Manifest
from models.version import Version
from serving.endpoint import ClientGone, Endpoint, Exchange
from serving.http.fields import read_object
from serving.http.front import Answer
from serving.http.oip import INDEX, LIVE, MODEL, MODEL_CONFIG, MODEL_READY, READY, SERVER, oip_error
from serving.http.oip_schema import (
    ConfigType,
    IndexEntry,
    InputConfig,
    InputType,
    Live,
    ModelConfig,
    ModelMetadata,
    ModelReady,
    OutputType,
    Ready,
    ServerMetadata,
    TensorConfig,
    TensorMetadata,
)
from serving.http.reply import Reply, json_reply
from serving.http.schema import MAX_ITEMS
from serving.inference.admission import Admission
from serving.keys.caller import CALLER, Caller
from serving.oip.infer import unknown
from serving.oip.request import EMBEDDING, KNOWN, LABEL, PREDICTION_SET, PROBABILITIES
from serving.oip.tensors import FEATURES, IMAGE, PIXELS
from serving.routing.registry import Registry
from settings import Settings

EXTENSIONS: Final = (
    "binary_tensor_data",
    "classification",
    "model_configuration",
    "model_repository",
)

_CONFIG_TYPES: Final[Mapping[InputType | OutputType, ConfigType]] = {
    "BYTES": "TYPE_STRING", "FP32": "TYPE_FP32", "UINT8": "TYPE_UINT8", "INT64": "TYPE_INT64",
    "BOOL": "TYPE_BOOL",
}  # fmt: skip

_NOT_IN_MEMORY: Final = "it is loaded when it is first asked"


class Metadata:
    """Answers the ``GET`` routes. ``draining``: whether the server is about to end."""

    def __init__(
        self, registry: Registry, release: Callable[[], str], draining: Callable[[], bool]
    ) -> None:
        self._registry = registry
        self._release = release
        self._draining = draining

    def answers(self) -> Mapping[str, Answer]:
        """What answers each path."""
        found: dict[str, Callable[[Scope], Reply]] = {
            SERVER.path: self._server,
            LIVE.path: lambda _: json_reply(Live(live=True)),
            READY.path: self._ready,
            MODEL.path: self._model,
            MODEL_READY.path: self._model_ready,
            MODEL_CONFIG.path: self._config,
        }
        return {path: _without_body(reply) for path, reply in found.items()}

    def _server(self, _: Scope) -> Reply:
        return json_reply(
            ServerMetadata(name="pupila", version=self._release(), extensions=list(EXTENSIONS))
        )

    def _ready(self, _: Scope) -> Reply:
        if self._draining():
            raise BadRequestError("The server is shutting down.")
        readiness = self._registry.readiness()
        if not readiness.ready:
            raise BadRequestError(readiness.reason)
        return json_reply(Ready(ready=True))

    def _model(self, scope: Scope) -> Reply:
        version = self._asked(scope)
        manifest = version.manifest
        answer = ModelMetadata(
            name=version.name,
            versions=list(self._registry.champions.versions[version.name]),
            platform=manifest.backend,
            inputs=_inputs(manifest.image_spec),
            outputs=_outputs(manifest),
            parameters={
                "version": version.version,
                "image_spec": manifest.image_spec.name,
                "labels": list(manifest.labels),
                "optional_outputs": _optional_outputs(manifest),
            },
        )
        return json_reply(answer)

    def _config(self, scope: Scope) -> Reply:
        version = self._asked(scope)
        manifest = version.manifest
        answer = ModelConfig(
            name=version.name,
            platform=manifest.backend,
            backend="pupila",
            max_batch_size=MAX_ITEMS,
            input=[
                InputConfig(**_config(tensor), optional=True)
                for tensor in _inputs(manifest.image_spec)
            ],
            output=[_config(tensor) for tensor in _outputs(manifest)],
        )
        return json_reply(answer)

    def _model_ready(self, scope: Scope) -> Reply:
        version = self._asked(scope)
        reason = self._registry.failure(version)
        if reason is None and self._draining():
            reason = "The server is shutting down."
        if reason is not None:
            raise BadRequestError(reason)
        return json_reply(ModelReady(name=version.name, ready=True))

    def _asked(self, scope: Scope) -> Version:
        model: str = scope["path_params"]["model"]
        caller: Caller | None = scope.get(CALLER)
        if caller is not None:
            caller.require(model)
        version = self._registry.find(model)
        if version is None:
            raise unknown(model)
        return version


class Index(Endpoint):
    """Lists the versions of the models that the key may ask."""

    route = INDEX

    def __init__(self, registry: Registry, settings: Settings, admission: Admission) -> None:
        super().__init__(settings, admission)
        self._registry = registry

    def refusal(self, error: RequestError) -> Reply:
        return oip_error(error)

    async def answer(self, exchange: Exchange, body: bytes, _: ClientGone) -> Reply:
        # Clients send nothing at all for everything.
        only_ready = read_object(body).get("ready", False) if body else False
        if type(only_ready) is not bool:
            raise BadRequestError("ready must be true or false.")
        caller = exchange.caller
        entries = [
            self._entry(version, loaded=loaded)
            for model in self._registry.catalog()
            if caller is None or caller.key.allows(model.name)
            for version, loaded in model.versions
        ]
        return json_reply(
            [entry for entry in entries if entry["state"] == "READY" or not only_ready]
        )

    def record(self, exchange: Exchange, status: int, seconds: float) -> None:
        """Nothing: it is about no image."""

    def _entry(self, version: Version, *, loaded: bool) -> IndexEntry:
        reason = self._registry.failure(version)
        if reason is None:
            reason = "" if loaded else _NOT_IN_MEMORY
            return IndexEntry(
                name=version.name, version=version.version, state="READY", reason=reason
            )
        return IndexEntry(
            name=version.name, version=version.version, state="UNAVAILABLE", reason=reason
        )


def _inputs(spec: ImageSpec) -> list[TensorMetadata]:
    sizes = [spec.height, spec.width, spec.channels]
    return [
        TensorMetadata(name=IMAGE, datatype="BYTES", shape=[-1]),
        TensorMetadata(name=FEATURES, datatype="FP32", shape=[-1, spec.n_features]),
        TensorMetadata(name=PIXELS, datatype="UINT8", shape=[-1, *sizes]),
    ]


def _outputs(manifest: Manifest) -> list[TensorMetadata]:
    is_text = manifest.label_type == "string"
    label = TensorMetadata(name=LABEL, datatype="BYTES" if is_text else "INT64", shape=[-1])
    if not manifest.gives_probabilities:
        return [label]
    shape = [-1, len(manifest.labels)]
    return [label, TensorMetadata(name=PROBABILITIES, datatype="FP32", shape=shape)]


def _optional_outputs(manifest: Manifest) -> list[TensorMetadata]:
    """Those that a request has to name: to ask for all outputs costs no more than it did."""
    honesty, extractor = manifest.honesty, manifest.extractor
    found = []
    if manifest.gives_probabilities and honesty is not None and honesty.images:
        found.append(TensorMetadata(name=PREDICTION_SET, datatype="BYTES", shape=[-1]))
    if honesty is not None and honesty.limits:
        found.append(TensorMetadata(name=KNOWN, datatype="BOOL", shape=[-1]))
    if extractor is not None:
        shape = [-1, extractor.dimension]
        found.append(TensorMetadata(name=EMBEDDING, datatype="FP32", shape=shape))
    return found


def _config(tensor: TensorMetadata) -> TensorConfig:
    return TensorConfig(
        name=tensor["name"],
        data_type=_CONFIG_TYPES[tensor["datatype"]],
        dims=tensor["shape"][1:] or [1],
    )


def _without_body(reply: Callable[[Scope], Reply]) -> Callable[[Scope, Receive], Awaitable[Reply]]:
    """``reply`` as what the front calls; it may raise RequestError."""

    async def answer(scope: Scope, _: Receive) -> Reply:
        try:
            return reply(scope)
        except RequestError as error:
            return oip_error(error)

    return answer
