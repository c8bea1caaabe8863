"""Images that arrive as they are, not as base64 in JSON: alone, or in a form.

A body is a form by its type, an image by its type or its first bytes, and otherwise JSON.
"""

import uuid
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import Scope

from errors import BadRequestError
from images.formats import is_recognized
from serving.http.base64text import decode_base64
from serving.http.fields import (
    coverage_of,
    coverage_of_text,
    flag_of,
    model_of,
    read_object,
    request_id_of,
)
from serving.http.headers import header
from serving.http.largejson import loads_plain
from serving.http.multipart import MULTIPART, Part, parse_form
from serving.http.parser import BatchQuery, ImageItem, Query, batch_of, query_of
from serving.http.schema import MAX_ITEMS, MAX_REQUEST_ID

ORIGINAL_TYPE: Final = b"x-original-content-type"
"""The header in which a body's type is passed on through BentoML's layers."""

OPTIONS: Final = ("probabilities", "embedding", "known")
"""What a client may ask for besides the label, by the name of its field or parameter."""

COVERAGE: Final = "coverage"

_OTHER_FIELDS: Final = 16
_MAX_PARAMETERS: Final = 100

_EXAMPLES: Final = {COVERAGE: "0.95"} | dict.fromkeys(OPTIONS, "true")

_TRUE: Final = ("true", "1", "on")
_FALSE: Final = ("false", "0", "off", "")


def parse_upload(scope: Scope, body: bytes, default_model: str) -> Query | BatchQuery:
    """What is asked by any body of a prediction, of which the path or the query may say more.

    Several images in a form are a batch. ``default_model`` answers an image or a form that names
    none; JSON must. Raises BadRequestError.
    """
    if body[:1] != b"{":
        content_type = _content_type(scope)
        if _is_form(content_type):
            parts = parse_form(body, content_type, MAX_ITEMS + _OTHER_FIELDS)
            return _form(scope, parts, default_model)
        if content_type[:6].lower() == b"image/" or is_recognized(body):
            return _query(scope, [body] if body else [], {}, [], default_model)
    return _json(scope, read_object(body, decode=True))


def parse_plainly(scope: Scope, body: bytes, default_model: str) -> Query | BatchQuery | None:
    """As ``parse_upload``, of a large body whose image is as it is, or plain base64: that takes two
    milliseconds at the most, for which no thread need be woken. None for any other."""
    if body[:1] == b"{":
        fields = loads_plain(body)
        return _json(scope, fields) if type(fields) is dict else None
    if _is_form(_content_type(scope)) or not is_recognized(body):
        return None
    return _query(scope, [body], {}, [], default_model)


def _content_type(scope: Scope) -> bytes:
    return header(scope, b"content-type") or header(scope, ORIGINAL_TYPE) or b""


def _is_form(content_type: bytes) -> bool:
    return content_type[: len(MULTIPART)].lower() == MULTIPART


def _json(scope: Scope, fields: dict[str, Any]) -> Query:
    fields = _options(_parameters(scope)) | fields
    named = scope.get("path_params", {}).get("model")
    if named is not None:
        model = fields.get("model")
        if model not in (None, "") and not _is_same(model, named):
            raise _two_models(named, model)
        fields["model"] = named
    return query_of(fields)


def parse_items(scope: Scope, body: bytes) -> BatchQuery:
    """The items of a JSON body, of which the query may say what is wanted. Raises
    BadRequestError."""
    return batch_of(_options(_parameters(scope)) | read_object(body, decode=True))


def _form(scope: Scope, parts: list[Part], default_model: str) -> Query | BatchQuery:
    texts: dict[str, str] = {}
    request_ids: list[str] = []
    images: list[bytes] = []
    for part in parts:
        if part.filename is not None or part.name == "image":
            # A browser sends a file input that was left empty too.
            if part.content or part.filename:
                images.append(_image(part))
        elif part.name == "request_id":
            request_ids.append(part.text)
        elif (
            part.name in ("model", COVERAGE, *OPTIONS)
            and texts.setdefault(part.name, part.text) != part.text
        ):
            raise BadRequestError(f"The form has more than one {part.name}.")
    return _query(scope, images, texts, request_ids, default_model)


def _image(part: Part) -> bytes:
    """The bytes of a file, or of a field of text, which is base64 as in JSON."""
    if part.filename is not None or is_recognized(part.content):
        return part.content
    return decode_base64(part.text)


def _query(
    scope: Scope,
    images: list[bytes],
    texts: dict[str, str],
    request_ids: list[str],
    default_model: str,
) -> Query | BatchQuery:
    """Checks in the order of JSON's fields: image, then model, then request_id, then the rest."""
    if not images:
        raise BadRequestError("Image data is required")
    if len(images) > MAX_ITEMS:
        raise BadRequestError(f"A form may have {MAX_ITEMS} images at most.")
    named = scope.get("path_params", {}).get("model")
    model = model_of({"model": texts.get("model") or named or default_model})
    if named is not None and not _is_same(model, named):
        raise _two_models(named, model)
    request_id, items = _request_ids(scope, request_ids, len(images))
    options = _options(_parameters(scope)) | _options(texts)
    probabilities, embedding, known = (flag_of(options, option) for option in OPTIONS)
    coverage = coverage_of(options)
    if len(images) == 1:
        return Query(
            request_id,
            model,
            images[0],
            probabilities,
            in_header=True,
            embedding=embedding,
            coverage=coverage,
            known=known,
        )
    named_items = [ImageItem(*item) for item in zip(items, images, strict=True)]
    return BatchQuery(model, named_items, probabilities, request_id, embedding, coverage, known)


def _request_ids(scope: Scope, given: list[str], count: int) -> tuple[str, list[str]]:
    """The id of the request, and of each of its images: one of the form's fields for each, or the
    form's only one, the header's, or a new one, with a number."""
    if len(given) not in (0, 1, count):
        raise BadRequestError(
            f"The form has {len(given)} request ids for {count} images; send one for each, or one."
        )
    sent = (header(scope, b"x-request-id") or b"").decode("latin-1").strip()
    if sent and (len(sent) > MAX_REQUEST_ID or not (sent.isascii() and sent.isprintable())):
        raise BadRequestError(
            f"X-Request-ID must be 1 to {MAX_REQUEST_ID} printable ASCII characters."
        )
    whole = given[0] if len(given) == 1 else sent
    whole = whole or uuid.uuid4().hex
    items = given if len(given) == count else [f"{whole}-{number + 1}" for number in range(count)]
    for item in (whole, *items):
        request_id_of({"request_id": item})
    return whole, items


def _parameters(scope: Scope) -> dict[str, str]:
    query = scope.get("query_string", b"")
    if not query:
        return {}
    try:
        text = query.decode("latin-1")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise BadRequestError(f"A query may have {_MAX_PARAMETERS} parameters at most.") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in (COVERAGE, *OPTIONS):
            if found.setdefault(name, value) != value:
                raise BadRequestError(f"The query has more than one {name}.")
            if not value:
                raise BadRequestError(f"{name} has no value: write {name}={_EXAMPLES[name]}.")
    return found


def _options(texts: dict[str, str]) -> dict[str, Any]:
    """The options among the texts, each checked: one that the body says again is no excuse."""
    options: dict[str, Any] = {
        option: _boolean(option, texts[option]) for option in OPTIONS if option in texts
    }
    if texts.get(COVERAGE):
        options[COVERAGE] = coverage_of_text(texts[COVERAGE])
    return options


def _boolean(option: str, text: str) -> bool:
    lower = text.lower()
    if lower not in _TRUE + _FALSE:
        raise BadRequestError(f"{option} must be true or false, not {text[:40]!r}.")
    return lower in _TRUE


def _is_same(model: Any, named: str) -> bool:
    """Whether both are one name: older clients send a pickle's."""
    return type(model) is str and model.removesuffix(".pickle") == named.removesuffix(".pickle")


def _two_models(path: str, body: Any) -> BadRequestError:
    return BadRequestError(
        f"The path names the model {path[:100]!r} and the body {str(body)[:100]!r}; name it once."
    )
