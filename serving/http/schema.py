"""What clients send and get, declared once: for ``/docs.json``, BentoML's clients and our own code.

Requests are checked by hand (``serving.http.parser``), by the limits named here. Responses are
typed dictionaries: the type checker compares the code that fills them with these fields, and the
document is made of them, at no cost to a request.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from images.formats import ANY_FORMAT

MAX_REQUEST_ID = 128
MAX_MODEL = 200
MAX_ITEMS = 256
MAX_LABELS = 1000
MAX_LABEL = 256
MAX_SOURCE = 128

_RequestIdText = Annotated[str, Field(min_length=1, max_length=MAX_REQUEST_ID)]
_RequestIdNumber = Annotated[int, Field(ge=-(2**63), le=2**64 - 1)]
_Base64 = Annotated[str, Field(min_length=1, json_schema_extra={"contentEncoding": "base64"})]
_Outcome = Annotated[
    Literal["added", "unchanged", "corrected"],
    Field(
        description="unchanged: this source had already sent this label; corrected: it had sent "
        "another"
    ),
]
_Known = Annotated[
    bool | None, Field(description="whether the model has this class; null if that is not known")
]
_Conflict = Annotated[bool, Field(description="whether another source sent another label")]
_Probabilities = Annotated[
    dict[str, float], Field(description="by label; only if the request asks for them")
]
_Embedding = Annotated[
    str,
    Field(
        json_schema_extra={"contentEncoding": "base64"},
        description="base64 of the feature extractor's numbers, float32 in little-endian order; "
        "only if the request asks for it",
    ),
]
_PredictionLabel = Annotated[
    int | str | None,
    Field(
        description="has the type of the training labels; null only where a version was told to "
        "abstain"
    ),
]
_PredictionSet = Annotated[
    list[int | str],
    Field(
        description="the labels of which one is right with the coverage, the most probable first; "
        "only if the request asks for it, or the version abstains"
    ),
]
_Familiar = Annotated[
    bool,
    Field(
        description="whether the image is like those of the training; only if the request asks for "
        "it, or the version abstains"
    ),
]


class PredictRequest(BaseModel):
    """An image to classify. Other fields are ignored."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: _RequestIdText | _RequestIdNumber = Field(description="returned unchanged")
    model: str = Field(
        min_length=1,
        max_length=MAX_MODEL,
        description="`clf`, `clf:champion` or `clf:<version>`",
        examples=["clf"],
    )
    image: _Base64 = Field(description=f"base64 of {ANY_FORMAT}; a `data:` prefix is accepted")
    probabilities: bool | None = Field(
        default=False, description="true adds the probability of every label"
    )
    embedding: bool | None = Field(
        default=False,
        description="true adds what the feature extractor made of the image, for search and "
        "clustering; for versions with one",
    )
    coverage: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="adds `prediction_set`: the labels of which one is right with this probability",
        examples=[0.95],
    )
    known: bool | None = Field(
        default=False,
        description="true adds whether the image is like those of the training",
    )


class PredictModelRequest(PredictRequest):
    """An image for the model that the path names."""

    model: str | None = Field(  # type: ignore[assignment]
        default=None, max_length=MAX_MODEL, description="if sent, as in the path"
    )


class PredictForm(BaseModel):
    """A form with an image, or with several, which are answered as a batch."""

    model_config = ConfigDict(protected_namespaces=())

    image: bytes = Field(description=f"{ANY_FORMAT}; a field of text is read as base64")
    model: str = Field(
        default="",
        max_length=MAX_MODEL,
        description="if the path has none, by default the server's default model",
    )
    request_id: str = Field(
        default="", max_length=MAX_REQUEST_ID, description="one, or one for each image"
    )
    probabilities: Literal["true", "false"] = "false"
    embedding: Literal["true", "false"] = "false"
    coverage: str = Field(default="", description="a number between 0 and 1, or nothing")
    known: Literal["true", "false"] = "false"


class PredictResponse(TypedDict):
    """The predicted label of an image."""

    request_id: str | int
    prediction: _PredictionLabel
    probabilities: NotRequired[_Probabilities]
    embedding: NotRequired[_Embedding]
    prediction_set: NotRequired[_PredictionSet]
    known: NotRequired[_Familiar]


class BatchItem(BaseModel):
    """One image of a batch."""

    request_id: _RequestIdText | _RequestIdNumber = Field(description="returned unchanged")
    image: _Base64 = Field(description="as in a single prediction")


class BatchRequest(BaseModel):
    """Images for one model, in one request."""

    model_config = ConfigDict(protected_namespaces=())

    model: str = Field(min_length=1, max_length=MAX_MODEL, examples=["clf"])
    # Any: an item that is wrong gets its own error, and the others are answered.
    items: list[BatchItem | Any] = Field(min_length=1, max_length=MAX_ITEMS)
    probabilities: bool | None = False
    embedding: bool | None = False
    coverage: float | None = Field(default=None, gt=0, lt=1)
    known: bool | None = False


class ItemError(TypedDict):
    """What is wrong with one item of a request."""

    request_id: str | int | None
    detail: str


class BatchResponse(TypedDict):
    """A prediction or an error for each item, in the order of the items."""

    items: list[PredictResponse | ItemError]


class FeedbackRequest(BaseModel):
    """The true label of an image."""

    model_config = ConfigDict(protected_namespaces=())

    request_id: _RequestIdText | _RequestIdNumber = Field(description="of the prediction")
    label: Annotated[str, Field(min_length=1, max_length=MAX_LABEL)] | _RequestIdNumber = Field(
        description="has the type of the model's labels"
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_MODEL,
        description="needed with an image, and to choose among several models that answered the "
        "same id; by default the newest prediction counts",
    )
    image: _Base64 | None = Field(
        default=None,
        description="as in a prediction; keeps the label even if the prediction was not kept",
    )
    source: str | None = Field(
        default=None,
        max_length=MAX_SOURCE,
        description="who labelled the image; the newest label of each source counts",
    )


FeedbackItems = Annotated[
    # Any: an item that is wrong gets its own error, and the others are kept.
    list[FeedbackRequest | Any],
    Field(min_length=1, max_length=MAX_LABELS),
]


class FeedbackList(BaseModel):
    """Many labels in one request."""

    items: FeedbackItems


class FeedbackResponse(TypedDict):
    """A label that is in the database, on the disk."""

    request_id: str | int
    outcome: _Outcome
    model: str
    version: Annotated[
        str, Field(description="that made the prediction; empty if the prediction was not kept")
    ]
    known: _Known
    conflict: _Conflict


class FeedbackListResponse(TypedDict):
    """An outcome or an error for each label, in the order of the items."""

    items: list[FeedbackResponse | ItemError]


class VersionListing(BaseModel):
    """One version of a model."""

    version: str
    created_at: datetime
    loaded: bool = Field(description="whether the worker that answers holds it in memory")
    labels: list[int | str]
    probabilities: bool = Field(description="whether it gives them when asked")
    image_spec: str
    recipe: str | None
    accuracy: float | None = Field(description="on its holdout, from 0 to 1")
    abstain: float | None = Field(
        description="the coverage by which it abstains; null if it always says a label"
    )


class RolloutListing(BaseModel):
    """How far a challenger has come."""

    id: int
    challenger: str = Field(description="its tag")
    stage: str = Field(description="shadow: it answers nobody; canary: it answers a share")
    share: float = Field(description="proportion of the requests that it answers, from 0 to 1")
    shadow: float = Field(description="proportion of the images that both versions classify")
    paused: bool = Field(description="whether it gets no images for now")
    started_at: datetime
    stage_at: datetime = Field(description="when the present stage or share began")


class ModelListing(BaseModel):
    """One model, its versions oldest first."""

    name: str
    champion: str = Field(description="the version that answers")
    challenger: str | None = Field(default=None, description="the version on trial")
    rollout: RolloutListing | None = Field(
        default=None, description="of the challenger, while it is going on"
    )
    versions: list[VersionListing]


class CatalogResponse(BaseModel):
    """What is served."""

    models: list[ModelListing]


class ErrorResponse(TypedDict):
    """Every error on every route."""

    detail: Annotated[
        str, Field(description="one sentence: what was wrong and what would be right")
    ]
