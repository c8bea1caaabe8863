"""The routes, in one table: their paths and methods, who answers, and what goes in and out.

``Front``, ``service.py``, the document, the metrics and the tests all read it here.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from serving.http.labelstudio import LABELSTUDIO_ROUTES
from serving.http.oip import OIP_ROUTES
from serving.http.rollout_schema import (
    HistoryResponse,
    RolloutChange,
    RolloutResponse,
    RolloutsResponse,
    RolloutStart,
)
from serving.http.route import BODY_ERRORS, DIGIT, VERSION_HEADER, Route
from serving.http.schema import (
    BatchRequest,
    BatchResponse,
    CatalogResponse,
    FeedbackItems,
    FeedbackList,
    FeedbackListResponse,
    FeedbackRequest,
    FeedbackResponse,
    ItemError,
    PredictModelRequest,
    PredictRequest,
    PredictResponse,
)

PREDICT: Final = Route(
    "predict",
    "/predict/",
    "Classify one image",
    "front",
    "predict",
    method="POST",
    request=PredictRequest,
    example={"request_id": "123", "model": "clf", "image": DIGIT},
    response=PredictResponse | BatchResponse,
    headers=VERSION_HEADER,
    errors=BODY_ERRORS,
    takes_images=True,
    takes_options=True,
)
PREDICT_MODEL: Final = replace(
    PREDICT,
    name="predict_model",
    path="/predict/{model}",
    summary="Classify one image by a model that the path names",
    request=PredictModelRequest,
    example={"request_id": "123", "image": DIGIT},
)
PREDICT_BATCH: Final = Route(
    "predict_batch",
    "/predict/batch/",
    "Classify up to 256 images, each answered separately",
    "front",
    "predict",
    method="POST",
    request=BatchRequest,
    example={
        "model": "clf",
        "items": [
            {"request_id": "123", "image": DIGIT},
            {"request_id": "124", "image": "?"},
        ],
    },
    response=BatchResponse,
    headers=VERSION_HEADER,
    errors=BODY_ERRORS,
    takes_options=True,
)
FEEDBACK: Final = Route(
    "feedback",
    "/feedback/",
    "Send the true labels of images: one, or an array of up to 1,000",
    "front",
    "label",
    method="POST",
    request=FeedbackRequest | FeedbackList | FeedbackItems,
    example={"request_id": "123", "label": 8},
    response=FeedbackResponse | FeedbackListResponse | list[FeedbackResponse | ItemError],
    errors=BODY_ERRORS
    | {
        404: "The prediction was not kept",
        503: "The server has no capacity, or the database is unavailable",
    },
)
MODELS: Final = Route(
    "models", "/models", "What is served", "catalog", "read", response=CatalogResponse
)
_ROLLOUT_ERRORS: Final = {
    400: "The request is not valid",
    409: "It cannot be done as things stand",
    503: "The database is unavailable",
}
ROLLOUTS: Final = Route(
    "rollouts",
    "/rollouts/",
    "Rollouts, going on and ended",
    "catalog",
    "operate",
    response=RolloutsResponse,
    errors={400: _ROLLOUT_ERRORS[400], 503: _ROLLOUT_ERRORS[503]},
    for_operators=True,
)
ROLLOUT_HISTORY: Final = replace(
    ROLLOUTS,
    name="rollout_history",
    path="/rollouts/history",
    summary="Who was champion when, and why",
    response=HistoryResponse,
)
ROLLOUT_START: Final = replace(
    ROLLOUTS,
    name="rollout_start",
    path="/rollouts/start",
    summary="Begin a rollout",
    method="POST",
    request=RolloutStart,
    example={"model": "clf", "challenger": "clf:abc123", "because": "retrained in May"},
    response=RolloutResponse,
    errors=_ROLLOUT_ERRORS,
)
ROLLOUT_PAUSE: Final = replace(
    ROLLOUT_START,
    name="rollout_pause",
    path="/rollouts/pause",
    summary="Keep the challenger from all requests for now",
    request=RolloutChange,
    example={"model": "clf", "because": "holidays"},
)
ROLLOUT_RESUME: Final = replace(
    ROLLOUT_PAUSE, name="rollout_resume", path="/rollouts/resume", summary="Undo a pause"
)
ROLLOUT_PROMOTE: Final = replace(
    ROLLOUT_PAUSE,
    name="rollout_promote",
    path="/rollouts/promote",
    summary="Make the challenger the champion now",
)
ROLLOUT_ABORT: Final = replace(
    ROLLOUT_PAUSE,
    name="rollout_abort",
    path="/rollouts/abort",
    summary="End a rollout; the champion stays",
)
DOCUMENT: Final = Route("docs", "/docs.json", "This document", "catalog", None, documented=False)
PAGE: Final = Route("page", "/docs", "This document, as a page", "catalog", None, documented=False)
HOME: Final = Route(
    "home", "/", "The console, or the page of this document", "catalog", None, documented=False
)
# It asks for a key by itself, on a page.
CONSOLE: Final = Route(
    "console", "/console/", "The console's pages", "console", None, documented=False
)
LIVEZ: Final = Route("livez", "/livez", "The process is alive", "bentoml", None, for_operators=True)
HEALTHZ: Final = Route("healthz", "/healthz", "Same as /livez", "bentoml", None, for_operators=True)
READYZ: Final = Route(
    "readyz",
    "/readyz",
    "The default model answers its golden examples",
    "bentoml",
    None,
    errors={503: "It does not, and why"},
    for_operators=True,
)
METRICS: Final = Route(
    "metrics", "/metrics", "Prometheus metrics", "catalog", "read", for_operators=True
)
SCHEMA: Final = Route(
    "schema", "/schema.json", "What BentoML's clients read", "bentoml", None, documented=False
)

ROUTES: Final = (
    PREDICT,
    PREDICT_MODEL,
    PREDICT_BATCH,
    FEEDBACK,
    MODELS,
    ROLLOUTS,
    ROLLOUT_HISTORY,
    ROLLOUT_START,
    ROLLOUT_PAUSE,
    ROLLOUT_RESUME,
    ROLLOUT_PROMOTE,
    ROLLOUT_ABORT,
    DOCUMENT,
    PAGE,
    HOME,
    CONSOLE,
    LIVEZ,
    HEALTHZ,
    READYZ,
    METRICS,
    SCHEMA,
    *OIP_ROUTES,
    *LABELSTUDIO_ROUTES,
)
HOT: Final[Mapping[str, Route]] = {
    path: route
    for route in ROUTES
    if route.answered_by == "front" and route is not PREDICT_MODEL
    for path in (route.path, route.path.removesuffix("/"))
}
"""The hot routes by path, with and without the trailing slash."""


def model_in(path: str) -> str | None:
    """The model that a path of the form of PREDICT_MODEL names."""
    prefix = PREDICT.path
    if not path.startswith(prefix):
        return None
    name = path[len(prefix) :].removesuffix("/")
    return name if name and "/" not in name else None


def is_console(path: str) -> bool:
    """Whether the console answers it, where there is one."""
    return path.startswith(CONSOLE.path) or path == CONSOLE.path[:-1]
