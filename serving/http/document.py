"""The OpenAPI document: every route, and every response that a client can get from it.

BentoML's own document names error shapes that no client of this service gets to see, knows neither
``GET /models`` nor the headers, and reduces a union to its first type; so it is written here.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.http.schema import (
    BatchRequest,
    BatchResponse,
    CatalogResponse,
    FaultResponse,
    FeedbackAnswer,
    FeedbackList,
    FeedbackListResponse,
    FeedbackRequest,
    FeedbackResponse,
    PredictRequest,
    PredictResponse,
)

_REF = "#/components/schemas/{model}"
_PLAIN = {"text/plain": {"schema": {"type": "string"}}}
_SERVICE = "Service APIs"
_INFRASTRUCTURE = "Infrastructure"

# A handwritten 8 as a PNG of 8x8 pixels.
_EXAMPLE = {
    "request_id": "123",
    "model": "clf",
    "image": (
        "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAAU0lEQVR42gFIALf/AAANieGCBQAAAAAAx9rmwgsA"
        "AgMKtswaIzUKAAAASvO77SgAAAYARf//Dg0OAAEw8Xuc0hAEAAAN/Rop/38AAAMAsffzqxQF8m8WK0GFXiAAAAAA"
        "SUVORK5CYII="
    ),
}
_BATCH_EXAMPLE = {
    "model": "clf",
    "items": [
        {"request_id": "123", "image": _EXAMPLE["image"]},
        {"request_id": "124", "image": "?"},
    ],
}
_FEEDBACK_EXAMPLE = {"request_id": "123", "label": 8}


def openapi(name: str, version: str, description: str) -> dict[str, Any]:
    """The document for a service of that name and version."""
    _, definitions = models_json_schema(
        [
            (PredictRequest, "validation"),
            (PredictResponse, "validation"),
            (BatchRequest, "validation"),
            (BatchResponse, "validation"),
            (FeedbackRequest, "validation"),
            (FeedbackList, "validation"),
            (FeedbackResponse, "validation"),
            (FeedbackListResponse, "validation"),
            (CatalogResponse, "validation"),
            (FaultResponse, "validation"),
        ],
        ref_template=_REF,
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": name, "version": version, "description": description},
        "servers": [{"url": "."}],
        "tags": [
            {"name": _SERVICE, "description": "What the service is for."},
            {"name": _INFRASTRUCTURE, "description": "For those who run it."},
        ],
        "paths": {
            "/predict/": _prediction(
                "predict",
                "Classify one image",
                _json(PredictRequest, example=_EXAMPLE),
                _json(PredictResponse),
            ),
            "/predict/batch/": _prediction(
                "predict_batch",
                "Classify up to 256 images, each answered in its place",
                _json(BatchRequest, example=_BATCH_EXAMPLE),
                _json(BatchResponse),
            ),
            "/feedback/": _feedback(),
            "/models": _get("models", "What is served", _SERVICE, _json(CatalogResponse)),
            "/livez": _get("livez", "The process is alive", _INFRASTRUCTURE, _PLAIN),
            "/healthz": _get("healthz", "The same as /livez", _INFRASTRUCTURE, _PLAIN),
            "/readyz": _get(
                "readyz",
                "The default model answers its golden examples",
                _INFRASTRUCTURE,
                _PLAIN,
                {"503": _fault("It does not, and why")},
            ),
            "/metrics": _get("metrics", "Prometheus metrics", _INFRASTRUCTURE, _PLAIN),
        },
        "components": {"schemas": definitions["$defs"]},
    }


def _prediction(
    name: str, summary: str, request: dict[str, Any], response: dict[str, Any]
) -> dict[str, Any]:
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "tags": [_SERVICE],
            "x-bentoml-name": name,
            "requestBody": {"required": True, "content": request},
            "responses": {
                "200": {
                    "description": "Predicted labels",
                    "headers": {
                        "X-Model-Version": {
                            "description": "the version that answered",
                            "schema": {"type": "string"},
                        }
                    },
                    "content": response,
                },
                "400": _fault("The request is not one that can be answered"),
                "408": _fault("The body did not arrive in time"),
                "413": _fault("The body is too large"),
                "500": _fault("The server failed"),
                "503": _fault("No room, or no time", retry_after=True),
            },
        }
    }


def _feedback() -> dict[str, Any]:
    request, request_list, response, response_list = (
        _json(model)["application/json"]["schema"]
        for model in (FeedbackRequest, FeedbackList, FeedbackResponse, FeedbackListResponse)
    )
    definition = models_json_schema([(FeedbackList, "validation")], ref_template=_REF)[1]
    several = definition["$defs"][FeedbackList.__name__]["properties"]["items"]
    answers = {
        "type": "array",
        "items": {"$ref": _REF.format(model=FeedbackAnswer.__name__)},
    }
    schema = {"anyOf": [request, request_list, several]}
    return {
        "post": {
            "operationId": "feedback",
            "summary": "Say what images really are: one, or an array of up to 1,000",
            "tags": [_SERVICE],
            "x-bentoml-name": "feedback",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": schema, "example": _FEEDBACK_EXAMPLE}},
            },
            "responses": {
                "200": {
                    "description": "Every label that has an outcome is in the database",
                    "content": {
                        "application/json": {
                            "schema": {"anyOf": [response, response_list, answers]}
                        }
                    },
                },
                "400": _fault("The request is not one that can be answered"),
                "404": _fault("No such prediction was kept"),
                "408": _fault("The body did not arrive in time"),
                "413": _fault("The body is too large"),
                "500": _fault("The server failed"),
                "503": _fault("No room, or the database is away", retry_after=True),
            },
        }
    }


def _json(model: type[BaseModel], **more: Any) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}, **more}}


def _fault(description: str, retry_after: bool = False) -> dict[str, Any]:
    fault: dict[str, Any] = {"description": description, "content": _json(FaultResponse)}
    if retry_after:
        fault["headers"] = {
            "Retry-After": {
                "description": "seconds after which to try again",
                "schema": {"type": "integer"},
            }
        }
    return fault


def _get(
    name: str,
    summary: str,
    tag: str,
    content: dict[str, Any],
    others: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "tags": [tag],
            "responses": {
                "200": {"description": summary, "content": content},
                "500": _fault("The server failed"),
                **(others or {}),
            },
        }
    }
