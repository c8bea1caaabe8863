"""JSON of megabytes, parsed in pieces: on a thread, no piece keeps the event loop from running.

orjson holds the interpreter's lock for all of a document, 17 to 37 ms for ten megabytes. Nearly all
of a large body is the text of its images. So the long strings are taken out and parsed piece by
piece; what is left of the document is small, or it is refused.
"""

import re
import secrets
from typing import Any, Final

import numpy as np
import orjson
import pybase64

from errors import BadRequestError

MAX_REST_BYTES: Final = 2 * 1024 * 1024
"""What a body may have besides its long strings: 1,000 labels take half a megabyte."""

MAX_PARTS: Final = 10_000
"""Brackets, braces and commas outside of long strings."""

MAX_QUOTES: Final = 4 * MAX_PARTS + 2

_LONG: Final = 256

# No field but an image may be as long.
_DECODED: Final = 16_384
_PIECE: Final = 32_768

# What may stand before a plain image, and after it.
_EDGE: Final = 4096
_HIGH_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}")
_ESCAPE_BYTES: Final = 6
_WINDOW: Final = 65_536
_BACKSLASH: Final = 0x5C
_SPACE: Final = 0x20
_TILDE: Final = 0x7E
_STRUCTURE: Final = (b"[", b"{", b",")


def loads_large(
    body: bytes,
    long: int = _LONG,
    piece: int = _PIECE,
    max_parts: int = MAX_PARTS,
    max_quotes: int = MAX_QUOTES,
    *,
    decode: bool = False,
) -> Any:
    """The value of a JSON document, as ``orjson.loads`` gives it, with two exceptions.

    A long string that is not ASCII, and so no base64, loses what is after its first pieces; and a
    long name keeps another in its place, since no field has one. With ``decode``, base64 of more
    than 16 KiB becomes the bytes it stands for, and no text is made of it. ``long``: the length
    from which on a string is taken out, ``piece``: that of its pieces, at least 18. Raises
    orjson.JSONDecodeError, and BadRequestError for too much besides its long strings.
    """
    mark = secrets.token_hex(8)
    texts: list[str | bytes] = []
    rest: list[bytes] = []
    size = taken = position = quotes = 0
    while (start := body.find(b'"', position)) >= 0:
        end, inner = _end_of_string(body, start, max_quotes - quotes)
        quotes += inner
        if end - start > long:
            rest += (body[taken:start], b'"%s%d"' % (mark.encode(), len(texts)))
            size += start - taken
            decodes = decode and end - start > _DECODED
            content = _decoded(body, start + 1, end) if decodes else None
            texts.append(content or _text(body, start + 1, end, piece))
            taken = end + 1
        if size + end - taken > MAX_REST_BYTES:
            raise _too_much()
        position = end + 1
    rest.append(body[taken:])
    if size + len(rest[-1]) > MAX_REST_BYTES:
        raise _too_much()
    rest_text = b"".join(rest)
    if has_many_parts(rest_text, max_parts):
        raise many_parts(max_parts)
    return _put_back(orjson.loads(rest_text), mark, texts)


def loads_plain(body: bytes) -> Any:
    """As ``loads_large`` with ``decode``, of an object that has one large image in plain base64 and
    little else, as most clients send them: 0.2 ms for each megabyte, with the interpreter's lock.

    None for any other, on which no more time is spent than that.
    """
    quote = body.rfind(b'"', 0, _EDGE)
    # Nothing of a string may stand before it, such as an escaped quote.
    if not 0 < quote < _EDGE - _LONG or body[quote - 1] == _BACKSLASH:
        return None
    start = quote + 1
    # An earlier quote is not looked for, in megabytes: base64 has none.
    end = body.find(b'"', max(start, len(body) - _EDGE))
    if end - start < _DECODED:
        return None
    content = _decoded(body, start, end)
    if content is None:
        return None
    mark = secrets.token_hex(8)
    try:
        value = orjson.loads(b"%s%s0%s" % (body[:start], mark.encode(), body[end:]))
    except orjson.JSONDecodeError:
        return None
    return _put_back(value, mark, [content])


def has_many_parts(body: bytes, max_parts: int = MAX_PARTS) -> bool:
    """Whether it would take long to parse: ten megabytes of brackets take a second.

    Base64 has none of these marks, and finding the next is 30 times as fast as counting them all.
    """
    parts = 0
    for mark in _STRUCTURE:
        index = body.find(mark)
        while index >= 0:
            parts += 1
            if parts > max_parts:
                return True
            index = body.find(mark, index + 1)
    return False


def many_parts(max_parts: int = MAX_PARTS) -> BadRequestError:
    return BadRequestError(
        f"Body is not valid JSON for a request: it has more than {max_parts} parts; send an image "
        "as base64, and a tensor as binary data."
    )


def _end_of_string(body: bytes, start: int, most: int) -> tuple[int, int]:
    """Where the string ends that begins with the quote at ``start``, and how many quotes that took,
    ``most`` of them at the most. One after an odd number of backslashes is part of the string.
    """
    before = start
    for count in range(2, most + 1):
        end = body.find(b'"', before + 1)
        if end < 0:
            break
        if body[end - 1] != _BACKSLASH or not _backslashes(body, before + 1, end) % 2:
            return end, count
        before = end
    else:
        raise many_parts()
    raise orjson.JSONDecodeError("a string without an end", "", 0)


def _backslashes(body: bytes, start: int, end: int) -> int:
    """How many stand directly before ``end``, none of them before ``start``."""
    place = end
    while place > start:
        part = body[max(start, place - _WINDOW) : place]
        rest = part.rstrip(b"\\")
        place -= len(part) - len(rest)
        if rest:
            break
    return end - place


def _decoded(body: bytes, start: int, end: int) -> bytes | None:
    """What a string's inside stands for if it is plain base64, as most images are sent."""
    try:
        return pybase64.b64decode(memoryview(body)[start:end], validate=True)
    except ValueError:
        return None


def _text(body: bytes, start: int, end: int, size: int) -> str:
    """The text of a string's inside."""
    if body.find(b"\\", start, end) < 0 and _is_plain(body, start, end, size):
        # Base64, mostly: no more is written than what is kept.
        return str(memoryview(body)[start:end], "ascii")
    parts: list[str] = []
    is_ascii = True
    while start < end:
        cut = _cut(body, start, start + size) if start + size < end else end
        part = orjson.loads(b'"%s"' % body[start:cut])
        # A whole that is not ASCII would take two or four times as much memory.
        if is_ascii:
            is_ascii = part.isascii()
            parts = [*parts, part] if is_ascii else [*parts[:1], part]
        start = cut
    return "".join(parts)


def _is_plain(body: bytes, start: int, end: int, size: int) -> bool:
    """Whether all of it is ASCII that JSON has as it is."""
    values = np.frombuffer(body, np.uint8, end - start, start)
    for first in range(0, len(values), size):
        piece = values[first : first + size]
        if piece.min() < _SPACE or piece.max() > _TILDE:
            return False
    return True


def _cut(body: bytes, start: int, position: int) -> int:
    """The last place up to ``position`` at which the inside of a string can be cut in two."""
    for _ in range(3):
        position -= body[position] & 0xC0 == 0x80
    escape = _last_escape(body, start, position)
    if escape is None:
        return position
    # Both halves of a pair stay together; a chain of first halves is no text anyway.
    before = escape - _ESCAPE_BYTES
    is_pair = _HIGH_SURROGATE.fullmatch(body, before, escape)
    return before if is_pair and before == _last_escape(body, start, escape) else escape


def _last_escape(body: bytes, start: int, position: int) -> int | None:
    """Where the last escape begins that may reach to ``position`` or beyond."""
    last = body.rfind(b"\\", max(start, position - _ESCAPE_BYTES), position)
    if last < 0:
        return None
    # Of a run of backslashes each second one is itself escaped.
    return last if _backslashes(body, start, last + 1) % 2 else last - 1


def _put_back(value: Any, mark: str, texts: list[str | bytes]) -> Any:
    """``value`` with the long strings in their places."""
    if not texts:
        return value
    root = [value]
    todo: list[Any] = [root]
    while todo:
        parent = todo.pop()
        for key, child in list(parent.items() if type(parent) is dict else enumerate(parent)):
            if type(child) is str and child.startswith(mark):
                parent[key] = texts[int(child[len(mark) :])]
            elif type(child) is dict or type(child) is list:
                todo.append(child)
    return root[0]


def _too_much() -> BadRequestError:
    return BadRequestError(
        "Body is not valid JSON for a request: it has more than "
        f"{MAX_REST_BYTES // 2**20} MiB besides its images."
    )
