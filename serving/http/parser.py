"""Checks what clients send, in one pass; see ``serving/http/schema.py`` for the fields."""

import binascii
from typing import Any, Literal, NamedTuple

import orjson
import pybase64

from errors import BadRequestError
from models.manifest import Label
from serving.http.schema import (
    MAX_ITEMS,
    MAX_LABEL,
    MAX_LABELS,
    MAX_MODEL,
    MAX_REQUEST_ID,
    MAX_SOURCE,
)

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


class Query(NamedTuple):
    """A request that was checked: ``image`` is the decoded base64, not yet known to be an image."""

    request_id: str | int
    model: str
    image: bytes
    probabilities: bool


class Item(NamedTuple):
    """One item of a batch: its image's bytes, or what is wrong with the item."""

    request_id: str | int | None
    image: bytes | BadRequestError


class BatchQuery(NamedTuple):
    """A batch request that was checked, but for its items' images."""

    model: str
    items: list[Item]
    probabilities: bool


class TrueLabel(NamedTuple):
    """What somebody says an image is, checked but for its model and image."""

    label: Label
    model: str | None
    image: bytes | None
    source: str


class LabelItem(NamedTuple):
    """One label of a request, or what is wrong with it."""

    request_id: str | int | None
    truth: TrueLabel | BadRequestError


class FeedbackQuery(NamedTuple):
    """``form``: how they came, and so how they are answered."""

    items: list[LabelItem]
    form: Literal["one", "array", "items"]


def parse_query(body: bytes) -> Query:
    """Check a body field by field: image, then model, then request_id, then the rest.

    Written by hand because it runs for every request: orjson and these checks take about 2 µs,
    and a fault costs no more than its absence. Raises BadRequestError.
    """
    fields = _object(body)
    image = _image(fields)
    model = _model(fields)
    request_id = _request_id(fields)
    probabilities = _probabilities(fields)
    return Query(request_id, model, _decode(image), probabilities)


def parse_batch(body: bytes) -> BatchQuery:
    """Check a batch's body; what is wrong with one item is in its place, and fails it alone.

    Raises BadRequestError for what is wrong with the whole.
    """
    fields = _object(body)
    items = fields.get("items")
    if type(items) is not list or not 1 <= len(items) <= MAX_ITEMS:
        given = f"{len(items)} of them" if type(items) is list else _kind(items)
        raise BadRequestError(f"items must be an array of 1 to {MAX_ITEMS} objects, not {given}.")
    model = _model(fields)
    return BatchQuery(model, [_item(item) for item in items], _probabilities(fields))


def parse_feedback(body: bytes) -> FeedbackQuery:
    """Check one label, or an array of them, with ``items`` around it or not; what is wrong with one
    of an array is in its place. Raises BadRequestError for what is wrong with the whole."""
    content = _json(body)
    if type(content) is dict and "items" not in content:
        said = _said(content)
        if isinstance(said.truth, BadRequestError):
            raise said.truth
        return FeedbackQuery([said], "one")
    items = content["items"] if type(content) is dict else content
    if type(items) is not list or not 1 <= len(items) <= MAX_LABELS:
        given = f"{len(items)} of them" if type(items) is list else _kind(items)
        raise BadRequestError(
            f"Feedback must be an object or an array of 1 to {MAX_LABELS} objects, not {given}."
        )
    form: Literal["array", "items"] = "items" if type(content) is dict else "array"
    return FeedbackQuery([_said(fields) for fields in items], form)


def _said(fields: Any) -> LabelItem:
    request_id: str | int | None = None
    if type(fields) is not dict:
        return LabelItem(None, BadRequestError(f"An item must be an object, not {_kind(fields)}."))
    try:
        request_id = _request_id(fields)
        label = _label(fields)
        image = _decode(_image(fields)) if fields.get("image") is not None else None
        optional = image is None and fields.get("model") is None
        model = None if optional else _model(fields)
        return LabelItem(request_id, TrueLabel(label, model, image, _source(fields)))
    except BadRequestError as error:
        return LabelItem(request_id, error)


def _label(fields: dict[str, Any]) -> Label:
    label = fields.get("label")
    if label is None or label == "":
        raise BadRequestError("Label is required")
    if type(label) is int or (type(label) is str and len(label) <= MAX_LABEL):
        return label
    given = f"{len(label)} characters" if type(label) is str else _kind(label)
    raise BadRequestError(
        f"label must be an integer or a string of 1 to {MAX_LABEL} characters, not {given}."
    )


def _source(fields: dict[str, Any]) -> str:
    source = fields.get("source")
    if source is None:
        return ""
    if type(source) is str and len(source) <= MAX_SOURCE:
        return source
    given = f"{len(source)} characters" if type(source) is str else _kind(source)
    raise BadRequestError(f"source must be a string of up to {MAX_SOURCE} characters, not {given}.")


def _item(fields: Any) -> Item:
    request_id: str | int | None = None
    if type(fields) is not dict:
        return Item(None, BadRequestError(f"An item must be an object, not {_kind(fields)}."))
    try:
        image = _image(fields)
        request_id = _request_id(fields)
        return Item(request_id, _decode(image))
    except BadRequestError as error:
        return Item(request_id, error)


def _object(body: bytes) -> dict[str, Any]:
    fields = _json(body)
    if type(fields) is not dict:
        raise BadRequestError(
            f"Body is not valid JSON for a request: an object is expected, not {_kind(fields)}."
        )
    return fields


def _json(body: bytes) -> Any:
    if len(body) > _LARGE_BODY and _has_many_parts(body):
        raise BadRequestError(
            f"Body is not valid JSON for a request: it has more than {_MAX_PARTS} parts."
        )
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequestError(
            "Body is not valid JSON: send an object, as /docs.json describes it."
        ) from None


def _has_many_parts(body: bytes) -> bool:
    """Whether it would take long to parse: ten megabytes of brackets take a second.

    Base64 has none of these, and looking for the next is 30 times as fast as counting them.
    """
    parts = 0
    for mark in _STRUCTURE:
        place = body.find(mark)
        while place >= 0:
            parts += 1
            if parts > _MAX_PARTS:
                return True
            place = body.find(mark, place + 1)
    return False


def _image(fields: dict[str, Any]) -> str:
    image = fields.get("image")
    if image is None or image == "":
        raise BadRequestError("Image data is required")
    if type(image) is not str:
        raise BadRequestError(f"image must be a string of base64, not {_kind(image)}.")
    return image


def _model(fields: dict[str, Any]) -> str:
    model = fields.get("model")
    if model is None or model == "":
        raise BadRequestError("Model name is required")
    if type(model) is not str or len(model) > MAX_MODEL:
        given = _kind(model) if type(model) is not str else f"{len(model)} characters"
        raise BadRequestError(
            f"model must be a string of 1 to {MAX_MODEL} characters, not {given}."
        )
    return model


def _request_id(fields: dict[str, Any]) -> str | int:
    request_id = fields.get("request_id")
    if request_id is None or request_id == "":
        raise BadRequestError("Request id is required")
    if type(request_id) is int or (type(request_id) is str and len(request_id) <= MAX_REQUEST_ID):
        return request_id
    given = f"{len(request_id)} characters" if type(request_id) is str else _kind(request_id)
    raise BadRequestError(
        f"request_id must be a string of 1 to {MAX_REQUEST_ID} characters or a 64-bit "
        f"integer, not {given}."
    )


def _probabilities(fields: dict[str, Any]) -> bool:
    probabilities = fields.get("probabilities", False)
    if type(probabilities) is not bool:
        raise BadRequestError(f"probabilities must be true or false, not {_kind(probabilities)}.")
    return probabilities


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
