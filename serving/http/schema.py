"""What clients send and get, as ``/docs.json`` and BentoML's clients are told."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_REQUEST_ID = 128
MAX_MODEL = 200
MAX_ITEMS = 256
MAX_LABELS = 1000
MAX_LABEL = 256
MAX_SOURCE = 128

_RequestIdText = Annotated[str, Field(min_length=1, max_length=MAX_REQUEST_ID)]
_RequestIdNumber = Annotated[int, Field(ge=-(2**63), le=2**64 - 1)]


class PredictRequest(BaseModel):
    """The body of ``POST /predict/``. Fields it does not name are ignored."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: _RequestIdText | _RequestIdNumber = Field(description="echoed as given")
    model: str = Field(
        min_length=1,
        max_length=MAX_MODEL,
        description="`clf`, `clf:champion` or `clf:<version>`",
        examples=["clf"],
    )
    image: str = Field(
        min_length=1,
        description="base64 of a JPEG, PNG, WebP, BMP or GIF; a `data:` prefix is accepted",
        json_schema_extra={"contentEncoding": "base64"},
    )
    probabilities: bool = Field(
        default=False, description="true adds the probability of every label"
    )


class PredictResponse(BaseModel):
    """The answer of ``POST /predict/``."""

    request_id: str | int
    prediction: int | str = Field(description="of the type that the training labels have")
    probabilities: dict[str, float] | None = Field(
        default=None, description="by label; only if asked for"
    )


class BatchItem(BaseModel):
    """One image of a batch."""

    request_id: _RequestIdText | _RequestIdNumber = Field(description="echoed as given")
    image: str = Field(
        min_length=1,
        description="as in `/predict/`",
        json_schema_extra={"contentEncoding": "base64"},
    )


class BatchRequest(BaseModel):
    """The body of ``POST /predict/batch/``: images for one model, in one request."""

    model_config = ConfigDict(protected_namespaces=())

    model: str = Field(min_length=1, max_length=MAX_MODEL, examples=["clf"])
    # Any: an item that is wrong is answered in its place, not refused with the others.
    items: list[BatchItem | Any] = Field(min_length=1, max_length=MAX_ITEMS)
    probabilities: bool = False


class BatchAnswer(BaseModel):
    """One item's answer: a prediction, or what was wrong with the item."""

    request_id: str | int | None
    prediction: int | str | None = None
    probabilities: dict[str, float] | None = None
    detail: str | None = Field(default=None, description="in place of a prediction")


class BatchResponse(BaseModel):
    """The answer of ``POST /predict/batch/``, in the order of the items."""

    items: list[BatchAnswer]


class FeedbackRequest(BaseModel):
    """The body of ``POST /feedback/``: what an image really is. An array of them is taken too."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: _RequestIdText | _RequestIdNumber = Field(description="of the prediction")
    label: Annotated[str, Field(min_length=1, max_length=MAX_LABEL)] | _RequestIdNumber = Field(
        description="of the type that the model's labels have"
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_MODEL,
        description="which one, where several answered the same id (else the newest), and with an "
        "image",
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        description="as in `/predict/`, for a prediction that was not kept",
        json_schema_extra={"contentEncoding": "base64"},
    )
    source: str | None = Field(
        default=None,
        max_length=MAX_SOURCE,
        description="who says so; of each source, the newest label counts",
    )


class FeedbackList(BaseModel):
    """Many labels in one request."""

    # Any: an item that is wrong is answered in its place, not refused with the others.
    items: list[FeedbackRequest | Any] = Field(min_length=1, max_length=MAX_LABELS)


class FeedbackResponse(BaseModel):
    """The answer of ``POST /feedback/``: the label is in the database, on the disk."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: str | int
    outcome: Literal["added", "unchanged", "corrected"] = Field(
        description="unchanged: this source had said so before; corrected: it had said another"
    )
    model: str
    version: str = Field(description="that made the prediction; empty where none was kept")
    known: bool | None = Field(description="whether the model has this class; null if not known")
    conflict: bool = Field(description="whether another source says something else")


class FeedbackAnswer(BaseModel):
    """One of many labels: what became of it, or what was wrong with it."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: str | int | None
    outcome: Literal["added", "unchanged", "corrected"] | None = None
    model: str | None = None
    version: str | None = None
    known: bool | None = None
    conflict: bool | None = None
    detail: str | None = Field(default=None, description="in place of an outcome")


class FeedbackListResponse(BaseModel):
    """The answer to many labels, in the order of the items."""

    items: list[FeedbackAnswer]


class VersionListing(BaseModel):
    """One version in ``GET /models``."""

    version: str
    created_at: datetime
    loaded: bool = Field(description="whether the worker that answers holds it in memory")
    labels: list[int | str]
    probabilities: bool = Field(description="whether it gives them when asked")
    image_spec: str
    recipe: str | None
    accuracy: float | None = Field(description="on its holdout, a share from 0 to 1")


class ModelListing(BaseModel):
    """One model in ``GET /models``, its versions oldest first."""

    name: str
    champion: str = Field(description="the version that answers")
    versions: list[VersionListing]


class CatalogResponse(BaseModel):
    """The answer of ``GET /models``."""

    models: list[ModelListing]


class FaultResponse(BaseModel):
    """Every error on every route."""

    detail: str = Field(description="one sentence: what was wrong and what would be right")
