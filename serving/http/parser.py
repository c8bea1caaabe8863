"""Checks what clients send, in one pass; see ``serving.http.schema`` for the fields."""

import contextlib
from typing import Any, Final, Literal, NamedTuple, Protocol

from errors import BadRequestError
from models.manifest import Label
from serving.http.base64text import decode_base64
from serving.http.fields import (
    coverage_of,
    flag_of,
    image_of,
    items_of,
    label_of,
    model_of,
    not_an_object,
    read_json,
    read_object,
    request_id_of,
    source_of,
)
from serving.http.schema import MAX_ITEMS, MAX_LABELS

# Fields without which there is no request: most have no others.
_REQUIRED: Final = 3


class Wants(Protocol):
    """What a client asks for besides the label."""

    @property
    def probabilities(self) -> bool: ...
    @property
    def embedding(self) -> bool: ...
    @property
    def coverage(self) -> float | None: ...
    @property
    def known(self) -> bool: ...


class Query(NamedTuple):
    """A checked request; ``image`` is the decoded base64, which may not be an image.

    ``in_header``: whether the response has the request's id in a header too.
    """

    request_id: str | int
    model: str
    image: bytes
    probabilities: bool
    in_header: bool = False
    embedding: bool = False
    coverage: float | None = None
    known: bool = False


class ImageItem(NamedTuple):
    """One item of a batch: its image's bytes, or what is wrong with the item."""

    request_id: str | int | None
    image: bytes | BadRequestError


class BatchQuery(NamedTuple):
    """A checked batch request; its items may have errors of their own.

    ``request_id``: of the whole, for a header of the response.
    """

    model: str
    items: list[ImageItem]
    probabilities: bool
    request_id: str | None = None
    embedding: bool = False
    coverage: float | None = None
    known: bool = False


class TrueLabel(NamedTuple):
    """A checked label; its model may be unknown, and its image may not be one."""

    label: Label
    model: str | None
    image: bytes | None
    source: str


class LabelItem(NamedTuple):
    """One label of a request, or what is wrong with it."""

    request_id: str | int | None
    true_label: TrueLabel | BadRequestError


class FeedbackQuery(NamedTuple):
    """Labels, and the ``form`` in which they were sent and are answered."""

    items: list[LabelItem]
    form: Literal["one", "array", "items"]


def parse_query(body: bytes) -> Query:
    """Check a body field by field: image, then model, then request_id, then the rest.

    Written by hand because it runs for every request: orjson and these checks take about 2 µs,
    and an invalid request costs no more than a valid one. Raises BadRequestError.
    """
    return query_of(read_object(body, decode=True))


def query_of(fields: dict[str, Any]) -> Query:
    """As ``parse_query``, of a JSON object's fields."""
    image = image_of(fields)
    model = model_of(fields)
    request_id = request_id_of(fields)
    if len(fields) == _REQUIRED:
        return Query(request_id, model, decode_base64(image), probabilities=False)
    probabilities, embedding = flag_of(fields, "probabilities"), flag_of(fields, "embedding")
    coverage, known = coverage_of(fields), flag_of(fields, "known")
    return Query(
        request_id,
        model,
        decode_base64(image),
        probabilities,
        embedding=embedding,
        coverage=coverage,
        known=known,
    )


def parse_batch(body: bytes) -> BatchQuery:
    """Check the body of a batch; an invalid item gets its own error and does not fail the others.

    Raises BadRequestError for what is wrong with the whole.
    """
    return batch_of(read_object(body, decode=True))


def batch_of(fields: dict[str, Any]) -> BatchQuery:
    """As ``parse_batch``, of a JSON object's fields."""
    items = items_of(fields.get("items"), MAX_ITEMS, "items must be")
    model = model_of(fields)
    return BatchQuery(
        model,
        [_image_item(item) for item in items],
        flag_of(fields, "probabilities"),
        embedding=flag_of(fields, "embedding"),
        coverage=coverage_of(fields),
        known=flag_of(fields, "known"),
    )


def parse_feedback(body: bytes) -> FeedbackQuery:
    """Check one label, or an array of them, bare or in ``items``; an invalid item of an array gets
    its own error. Raises BadRequestError for what is wrong with the whole."""
    content = read_json(body, decode=True)
    if type(content) is dict and "items" not in content:
        item = LabelItem(request_id_of(content), _true_label(content))
        return FeedbackQuery([item], "one")
    value = content["items"] if type(content) is dict else content
    items = items_of(value, MAX_LABELS, "Feedback must be an object or")
    form: Literal["array", "items"] = "items" if type(content) is dict else "array"
    return FeedbackQuery([_label_item(fields) for fields in items], form)


def _label_item(fields: Any) -> LabelItem:
    request_id: str | int | None = None
    if type(fields) is not dict:
        return LabelItem(None, not_an_object(fields))
    try:
        request_id = request_id_of(fields)
        return LabelItem(request_id, _true_label(fields))
    except BadRequestError as error:
        return LabelItem(request_id, error)


def _true_label(fields: dict[str, Any]) -> TrueLabel:
    label = label_of(fields)
    image = decode_base64(image_of(fields)) if fields.get("image") is not None else None
    optional = image is None and fields.get("model") is None
    model = None if optional else model_of(fields)
    return TrueLabel(label, model, image, source_of(fields))


def _image_item(fields: Any) -> ImageItem:
    if type(fields) is not dict:
        return ImageItem(None, not_an_object(fields))
    try:
        image = image_of(fields)
        return ImageItem(request_id_of(fields), decode_base64(image))
    except BadRequestError as error:
        return ImageItem(_request_id_if_any(fields), error)


def _request_id_if_any(fields: dict[str, Any]) -> str | int | None:
    """By which the client finds an item that is wrong otherwise."""
    with contextlib.suppress(BadRequestError):
        return request_id_of(fields)
    return None
