"""One field at a time: what a client may put there, and the sentence if it is something else."""

import codecs
import re
from typing import Any

import orjson

from errors import BadRequestError
from labels import plain
from models.manifest import Label
from serving.http.largejson import MAX_PARTS, MAX_QUOTES, has_many_parts, loads_large, many_parts
from serving.http.schema import MAX_LABEL, MAX_MODEL, MAX_REQUEST_ID, MAX_SOURCE

# Above this, a body is parsed in pieces.
_LARGE_BYTES = 262_144

# Above this, it is worth a look whether a body would take long to parse.
_MEDIUM_BYTES = 65_536

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

# ``float`` also takes nan, other scripts' digits, and underscores.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_TYPES = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    bytes: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def read_object(
    body: bytes,
    max_parts: int = MAX_PARTS,
    max_quotes: int = MAX_QUOTES,
    *,
    decode: bool = False,
) -> dict[str, Any]:
    """The fields of a JSON object; raises BadRequestError for any other body."""
    fields = read_json(body, max_parts, max_quotes, decode=decode)
    if type(fields) is not dict:
        raise _wrong("Body is not valid JSON for a request: an object is expected", fields)
    return fields


def read_json(
    body: bytes,
    max_parts: int = MAX_PARTS,
    max_quotes: int = MAX_QUOTES,
    *,
    decode: bool = False,
) -> Any:
    """The value of a JSON document; raises BadRequestError. ``max_parts``: brackets, braces and
    commas of a body that is not small; ``max_quotes``: of a large one; ``decode``: whether long
    strings of base64 may become bytes."""
    try:
        if len(body) > _LARGE_BYTES:
            return loads_large(
                _unmarked(body) or body, max_parts=max_parts, max_quotes=max_quotes, decode=decode
            )
        if len(body) > _MEDIUM_BYTES and has_many_parts(body, max_parts):
            raise many_parts(max_parts)
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            return orjson.loads(_unmarked(body))
    except (orjson.JSONDecodeError, UnicodeDecodeError):
        raise BadRequestError(
            "Body is not valid JSON: send an object, as /docs.json describes it."
        ) from None


def _unmarked(body: bytes) -> bytes:
    """A body with a byte-order mark in UTF-8 and without it, empty for one that has none."""
    if body.startswith(codecs.BOM_UTF8):
        return body[len(codecs.BOM_UTF8) :]
    for mark, encoding in _UTF16.items():
        if body.startswith(mark):
            decoder = codecs.getincrementaldecoder(encoding)()
            # In pieces, between which others run.
            return (
                b"".join(
                    decoder.decode(body[start : start + _LARGE_BYTES]).encode()
                    for start in range(len(mark), len(body), _LARGE_BYTES)
                )
                + decoder.decode(b"", final=True).encode()
            )
    return b""


def image_of(fields: dict[str, Any]) -> str | bytes:
    """Base64, or what it stands for where that was decoded with the body."""
    image = fields.get("image")
    if image is None or image == "":
        raise BadRequestError("Image data is required")
    if type(image) is not str and type(image) is not bytes:
        raise _wrong("image must be a string of base64", image)
    return image


def model_of(fields: dict[str, Any]) -> str:
    model = fields.get("model")
    if model is None or model == "":
        raise BadRequestError("Model name is required")
    if type(model) is not str or len(model) > MAX_MODEL:
        raise _wrong(f"model must be a string of 1 to {MAX_MODEL} characters", model)
    return model


def request_id_of(fields: dict[str, Any]) -> str | int:
    request_id = fields.get("request_id")
    if request_id is None or request_id == "":
        raise BadRequestError("Request id is required")
    if type(request_id) is float:
        request_id = plain(request_id)
    if type(request_id) is int or (type(request_id) is str and len(request_id) <= MAX_REQUEST_ID):
        return request_id
    raise _wrong(
        f"request_id must be a string of 1 to {MAX_REQUEST_ID} characters or a 64-bit integer",
        request_id,
    )


def flag_of(fields: dict[str, Any], name: str) -> bool:
    """Whether the field is true; raises BadRequestError if it is neither that nor false or null,
    as some clients write what they leave out."""
    flag = fields.get(name)
    if flag is None:
        return False
    if type(flag) is not bool:
        raise _wrong(f"{name} must be true or false", flag)
    return flag


def coverage_of(fields: dict[str, Any]) -> float | None:
    coverage = fields.get("coverage")
    if coverage is None:
        return None
    if type(coverage) is not float or not 0 < coverage < 1:
        given = coverage if type(coverage) in (int, float) else _TYPES[type(coverage)]
        raise BadRequestError(f"coverage must be a number between 0 and 1, not {given}.")
    return coverage


def coverage_of_text(text: str) -> float | None:
    """The same where only text can be sent."""
    if not _NUMBER.fullmatch(text.strip()):
        raise BadRequestError(f"coverage must be a number between 0 and 1, not {text[:40]!r}.")
    return coverage_of({"coverage": float(text)})


def label_of(fields: dict[str, Any]) -> Label:
    label = plain(fields.get("label"))
    if label is None or label == "":
        raise BadRequestError("Label is required")
    if type(label) is int or (type(label) is str and len(label) <= MAX_LABEL):
        return label
    raise _wrong(f"label must be an integer or a string of 1 to {MAX_LABEL} characters", label)


def source_of(fields: dict[str, Any]) -> str:
    source = fields.get("source")
    if source is None:
        return ""
    if type(source) is str and len(source) <= MAX_SOURCE:
        return source
    raise _wrong(f"source must be a string of up to {MAX_SOURCE} characters", source)


def items_of(value: Any, maximum: int, expected: str) -> list[Any]:
    """``value``, if it is an array of 1 to ``maximum`` items; ``expected`` begins the sentence."""
    if type(value) is list and 1 <= len(value) <= maximum:
        return value
    raise _wrong(f"{expected} an array of 1 to {maximum} objects", value)


def not_an_object(value: Any) -> BadRequestError:
    """The error for an item of an array that is something else."""
    return _wrong("An item must be an object", value)


def _wrong(expected: str, value: Any) -> BadRequestError:
    """``expected``, and what was sent in its place."""
    given = _TYPES[type(value)]
    if type(value) is str and "string" in expected:
        given = f"{len(value)} characters"
    elif type(value) is bytes and "string" in expected:
        given = f"{(len(value) + 2) // 3 * 4} characters"
    elif type(value) is list and "array" in expected:
        given = f"{len(value)} of them"
    return BadRequestError(f"{expected}, not {given}.")
