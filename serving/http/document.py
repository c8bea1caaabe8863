"""The OpenAPI document: every route, and every response that a client can get from it.

BentoML's own document names error shapes that no client of this service gets to see, lacks the
headers and our own routes, and reduces a union to its first type.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from images.formats import FORMATS
from serving.http.route import Route
from serving.http.routes import ROUTES
from serving.http.schema import MAX_MODEL, MAX_REQUEST_ID, PredictForm

_REF = "#/components/schemas/{model}"
_SERVICE = "Service APIs"
_INFRASTRUCTURE = "Infrastructure"
_BINARY: Mapping[str, Any] = {"schema": {}}
_FAILED = {500: "The server failed"}
_WITH_KEYS = {
    401: "A key is missing or not valid",
    403: "The key is not for this",
    429: "The key's limit is used up",
}
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "the key as the password"},
}
# The first is no key at all: on a server that has none.
_SECURITY: list[dict[str, list[str]]] = [{}, {"bearer": []}, {"header": []}, {"basic": []}]

_REQUEST_ID: dict[str, Any] = {
    "name": "X-Request-ID",
    "in": "header",
    "description": f"of an image or a form, up to {MAX_REQUEST_ID} printable ASCII characters; "
    "without one, the server makes one; JSON has its own",
    "schema": {"type": "string"},
}
_OPTIONS: list[dict[str, Any]] = [
    {
        "name": "coverage",
        "in": "query",
        "description": "adds the labels of which one is right with this probability, such as 0.95",
        "schema": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    },
    *(
        {
            "name": name,
            "in": "query",
            "description": f"true adds {what}",
            "schema": {"type": "boolean", "default": False},
        }
        for name, what in (
            ("probabilities", "the probability of every label"),
            ("embedding", "what the feature extractor made of the image"),
            ("known", "whether the image is like those of the training"),
        )
    ),
]
_HEADER_LENGTH: dict[str, Any] = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "how many bytes of the body are JSON, if a tensor follows; 0 for an image alone",
    "schema": {"type": "integer", "minimum": 0},
}

_RETRY = ("Retry-After", "seconds after which to try again", "integer")
_HEADERS = {
    401: [("WWW-Authenticate", "Bearer", "string")],
    429: [
        _RETRY,
        ("RateLimit-Limit", "images or labels that the key has a second or a day", "integer"),
        ("RateLimit-Remaining", "what is left of them", "integer"),
        ("RateLimit-Reset", "seconds until there are more", "integer"),
    ],
    503: [_RETRY],
}

_Schemas = Mapping[str, Mapping[str, Any]]


def openapi(name: str, version: str, description: str) -> dict[str, Any]:
    """The document for a service of that name and version."""
    routes = [route for route in ROUTES if route.documented]
    schemas, definitions = _schemas(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": name, "version": version, "description": description},
        "servers": [{"url": "."}],
        "tags": [
            {"name": _SERVICE, "description": "For clients."},
            {"name": _INFRASTRUCTURE, "description": "For operators."},
        ],
        "paths": paths,
        "components": {"schemas": definitions, "securitySchemes": _SCHEMES},
    }


def _schemas(routes: list[Route]) -> tuple[_Schemas, dict[str, Any]]:
    """The content of each request and response by a key, and the definitions that they refer to."""
    types: dict[str, Any] = {"form": PredictForm}
    types |= {f"{route.name} error": route.error for route in routes}
    types |= {f"{route.name} request": route.request for route in routes if route.request}
    types |= {f"{route.name} response": route.response for route in routes}
    found, definitions = TypeAdapter.json_schemas(
        [(key, "validation", TypeAdapter(type_)) for key, type_ in types.items()],
        ref_template=_REF,
    )
    return {key: found[key, "validation"] for key in types}, definitions["$defs"]


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [_INFRASTRUCTURE if route.for_operators else _SERVICE],
    }
    if route.request is not None:
        content = {"schema": schemas[f"{route.name} request"], "example": route.example}
        operation["x-bentoml-name"] = route.name
        bodies: dict[str, Any] = {"application/json": content}
        if route.takes_images:
            bodies |= {known.media_type: _BINARY for known in FORMATS}
            bodies["multipart/form-data"] = {"schema": schemas["form"]}
        if route.takes_tensors:
            bodies["application/octet-stream"] = _BINARY
        operation["requestBody"] = {"required": not route.body_optional, "content": bodies}
    parameters = _parameters(route)
    if parameters:
        operation["parameters"] = parameters
    kind = "text/plain" if route.response is str else "application/json"
    answer: dict[str, Any] = {
        "description": route.summary,
        "content": {kind: {"schema": schemas[f"{route.name} response"]}},
    }
    if route.takes_tensors:
        answer["content"]["application/octet-stream"] = _BINARY
    if route.headers:
        answer["headers"] = {name: _header(text, "string") for name, text in route.headers.items()}
    errors = {**route.errors, **_FAILED}
    if route.scope is not None:
        errors |= _WITH_KEYS
        operation["security"] = _SECURITY
        operation["x-scope"] = route.scope
    operation["responses"] = {"200": answer} | {
        str(status): _error(status, description, schemas[f"{route.name} error"])
        for status, description in sorted(errors.items())
    }
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    """What a path names, and what may be said of an image outside of the body."""
    name = {"type": "string", "minLength": 1, "maxLength": MAX_MODEL}
    in_path: list[dict[str, Any]] = [
        {"name": known, "in": "path", "required": True, "schema": name, "example": example}
        for known, example in (("model", "clf"), ("version", "champion"))
        if f"{{{known}}}" in route.path
    ]
    if route.takes_tensors:
        in_path.append(_HEADER_LENGTH)
    if route.takes_images:
        in_path.append(_REQUEST_ID)
    return in_path + _OPTIONS if route.takes_options else in_path


def _error(status: int, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    error: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }
    if status in _HEADERS:
        error["headers"] = {name: _header(text, kind) for name, text, kind in _HEADERS[status]}
    return error


def _header(description: str, kind: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}
