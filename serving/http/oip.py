"""The routes of the Open Inference Protocol, below ``/v2``: which path asks what, and the shape of
errors there. Source: https://github.com/kserve/open-inference-protocol, and Triton's extensions.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Final

import orjson

from errors import RequestError
from serving.http.oip_schema import (
    IndexEntry,
    IndexRequest,
    InferRequest,
    InferResponse,
    Live,
    ModelConfig,
    ModelMetadata,
    ModelReady,
    OipError,
    Ready,
    ServerMetadata,
)
from serving.http.reply import Reply, error_reply
from serving.http.route import BODY_ERRORS, DIGIT, VERSION_HEADER, Asked, Route
from serving.http.schema import MAX_MODEL

ROOT: Final = "/v2"
_BELOW: Final = f"{ROOT}/"

HEADER_LENGTH: Final = b"inference-header-content-length"
"""How many bytes of a body are JSON; what follows are the tensors."""

# Longer ones are not kept: clients choose them.
_MAX_PATH: Final = 3 * MAX_MODEL
_KEPT_PATHS: Final = 512

_UNKNOWN: Final = {404: "There is no such model, or no such version of it"}

SERVER: Final = Route(
    "oip_server", ROOT, "Name and extensions", "v2", None, response=ServerMetadata, error=OipError
)
LIVE: Final = replace(
    SERVER,
    name="oip_live",
    path="/v2/health/live",
    summary="The process is alive",
    response=Live,
    for_operators=True,
)
READY: Final = replace(
    LIVE,
    name="oip_ready",
    path="/v2/health/ready",
    summary="The default model answers",
    response=Ready,
    errors={400: "It does not, and why"},
)
MODEL: Final = replace(
    SERVER,
    name="oip_model",
    path="/v2/models/{model}",
    summary="What a model takes and gives",
    scope="predict",
    response=ModelMetadata,
    errors=_UNKNOWN,
)
MODEL_READY: Final = replace(
    MODEL,
    name="oip_model_ready",
    path="/v2/models/{model}/ready",
    summary="Whether a model answers",
    response=ModelReady,
    errors={400: "It does not, and why", **_UNKNOWN},
)
MODEL_CONFIG: Final = replace(
    MODEL,
    name="oip_model_config",
    path="/v2/models/{model}/config",
    summary="A model's batches and tensors, as Triton's tools read them",
    response=ModelConfig,
)
INFER: Final = replace(
    MODEL,
    name="oip_infer",
    path="/v2/models/{model}/infer",
    summary="Classify images by the Open Inference Protocol",
    method="POST",
    request=InferRequest,
    example={
        "id": "123",
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [DIGIT]}],
    },
    response=InferResponse,
    headers=VERSION_HEADER,
    errors=BODY_ERRORS | _UNKNOWN,
    takes_tensors=True,
)
INDEX: Final = replace(
    SERVER,
    name="oip_index",
    path="/v2/repository/index",
    summary="The versions of all models",
    method="POST",
    scope="read",
    request=IndexRequest,
    example={"ready": True},
    response=list[IndexEntry],
    body_optional=True,
    errors=BODY_ERRORS,
)


def _of_a_version(route: Route) -> Route:
    path = route.path.replace("{model}", "{model}/versions/{version}")
    return replace(route, name=f"{route.name}_version", path=path)


_ROUTES: Final = (MODEL, MODEL_READY, MODEL_CONFIG, INFER)
_OF_VERSIONS: Final = {route.path: _of_a_version(route) for route in _ROUTES}
_OF_MODELS: Final = {route.path.removeprefix(MODEL.path): route for route in _ROUTES}
_PLAIN: Final = {route.path: route for route in (SERVER, LIVE, READY, INDEX)}
_MODELS: Final = "/v2/models/"

OIP_ROUTES: Final = (*_PLAIN.values(), *_ROUTES, *_OF_VERSIONS.values())


def is_below(path: str) -> bool:
    return path.startswith(_BELOW) or path == ROOT


def asked(path: str) -> Asked | None:
    """What a path below ``/v2`` asks, with or without a slash at its end; None if nothing.

    ``route``: that of the model, for a version too.
    """
    return _asked(path) if len(path) <= _MAX_PATH else None


@lru_cache(_KEPT_PATHS)
def _asked(path: str) -> Asked | None:
    path = path.removesuffix("/")
    plain = _PLAIN.get(path)
    if plain is not None:
        return Asked(plain)
    if not path.startswith(_MODELS):
        return None
    model, slash, rest = path.removeprefix(_MODELS).partition("/")
    if rest.startswith("versions/"):
        version, slash, rest = rest.removeprefix("versions/").partition("/")
        if not version:
            return None
        model = f"{model}:{version}" if model else ""
    route = _OF_MODELS.get(slash + rest)
    return Asked(route, model) if route is not None and model else None


def in_their_shape(reply: Reply) -> Reply:
    """An error of ours as ``{"error": "<one sentence>"}``."""
    body = orjson.dumps({"error": orjson.loads(reply.body)["detail"]})
    headers = [(name, value) for name, value in reply.headers if name != b"content-length"]
    return Reply(reply.status, [*headers, (b"content-length", b"%d" % len(body))], body)


def oip_error(error: RequestError) -> Reply:
    """``{"error": "<the error's sentence>"}``."""
    return in_their_shape(error_reply(error))
