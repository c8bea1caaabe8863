"""What clients send and get: the fields, their checks, and their description in ``/docs.json``."""

import binascii
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import orjson
import pybase64
from pydantic import BaseModel, ConfigDict, Field

from errors import BadRequestError

MAX_REQUEST_ID = 128
MAX_MODEL = 200

_LARGE_BODY = 65_536
_MAX_PARTS = 10_000
_STRUCTURE = (b"[", b"{", b",")

_KINDS = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}

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


class Query(NamedTuple):
    """A request that was checked: ``image`` is the decoded base64, not yet known to be an image."""

    request_id: str | int
    model: str
    image: bytes
    probabilities: bool


def parse_query(body: bytes) -> Query:
    """Check a body field by field: image, then model, then request_id, then the rest.

    Written by hand because it runs for every request: orjson and these checks take about 2 µs,
    and a fault costs no more than its absence. Raises BadRequestError.
    """
    if len(body) > _LARGE_BODY and sum(map(body.count, _STRUCTURE)) > _MAX_PARTS:
        # Base64 has none of these; ten megabytes of them would take a second to parse.
        raise BadRequestError(
            f"Body is not valid JSON for a request: it has more than {_MAX_PARTS} parts."
        )
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequestError(
            'Body is not valid JSON: send an object with "request_id", "model" and "image".'
        ) from None
    if type(fields) is not dict:
        raise BadRequestError(
            f"Body is not valid JSON for a request: an object is expected, not {_kind(fields)}."
        )

    image = fields.get("image")
    if image is None or image == "":
        raise BadRequestError("Image data is required")
    if type(image) is not str:
        raise BadRequestError(f"image must be a string of base64, not {_kind(image)}.")

    model = fields.get("model")
    if model is None or model == "":
        raise BadRequestError("Model name is required")
    if type(model) is not str or len(model) > MAX_MODEL:
        given = _kind(model) if type(model) is not str else f"{len(model)} characters"
        raise BadRequestError(
            f"model must be a string of 1 to {MAX_MODEL} characters, not {given}."
        )

    request_id = fields.get("request_id")
    if request_id is None or request_id == "":
        raise BadRequestError("Request id is required")
    if type(request_id) is str:
        acceptable = len(request_id) <= MAX_REQUEST_ID
        given = f"{len(request_id)} characters"
    else:
        acceptable = type(request_id) is int
        given = _kind(request_id)
    if not acceptable:
        raise BadRequestError(
            f"request_id must be a string of 1 to {MAX_REQUEST_ID} characters or a 64-bit "
            f"integer, not {given}."
        )

    probabilities = fields.get("probabilities", False)
    if type(probabilities) is not bool:
        raise BadRequestError(f"probabilities must be true or false, not {_kind(probabilities)}.")

    return Query(request_id, model, _decode(image), probabilities)


def _decode(image: str) -> bytes:
    """The bytes in base64 text, with or without a ``data:`` prefix and line breaks."""
    if image.startswith("data:"):
        _, comma, image = image.partition(",")
        if not comma:
            raise BadRequestError("Invalid image data: a data: URL has a comma before its data")
    if not image.isascii():
        raise BadRequestError("Invalid image data: it is not base64")
    try:
        content = pybase64.b64decode(image, validate=True)
    except (binascii.Error, ValueError):
        try:
            content = pybase64.b64decode("".join(image.split()), validate=True)
        except (binascii.Error, ValueError):
            raise BadRequestError("Invalid image data: it is not base64") from None
    if not content:
        raise BadRequestError("Invalid image data: it is empty")
    return content


def _kind(value: Any) -> str:
    return _KINDS[type(value)]


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
