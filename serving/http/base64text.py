"""The bytes of an image sent as text: base64 as clients write it, plain or in a ``data:`` URL."""

import binascii
from collections.abc import Iterator
from typing import Final

import pybase64

from errors import BadRequestError

# URL-safe base64 becomes the ordinary one; line breaks and tabs go.
_ORDINARY: Final = bytes.maketrans(b"-_", b"+/")
_BREAKS: Final = b"\r\n\t\v\f"
_PIECE: Final = 262_144
_PERCENT: Final = {"%2B": "+", "%2F": "/", "%3D": "=", "%0A": "\n", "%0D": "\r", "%20": " "}


def decode_base64(text: str | bytes) -> bytes:
    """The bytes in base64 text; bytes were decoded before.

    Padding may be missing, the alphabet be the URL-safe one, lines be broken, and a ``data:`` URL
    be around it, percent-encoded or not. Raises BadRequestError, with the likely cause where the
    text shows one.
    """
    if isinstance(text, bytes):
        return text
    try:
        # What nearly everybody sends, at the speed of memory.
        content = pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = _decode_loosely(text)
    if not content:
        raise _invalid("it is empty")
    return content


def _decode_loosely(text: str) -> bytes:
    text = _stripped(text)
    if text[:5].lower() == "data:":
        text = _data_of_url(text)
    elif text.startswith(("http://", "https://", "file://")):
        raise _invalid("it is a URL, and URLs are not fetched: send the image itself as base64")
    elif text.startswith(("b'", 'b"')):
        raise _invalid("it is the text of a Python bytes object, b'…': decode it to a string first")
    if not text.isascii():
        raise _invalid("it is not base64")
    parts = [part.encode().translate(_ORDINARY, _BREAKS) for part in _pieces(text)]
    length = sum(map(len, parts))
    spaces = sum(part.count(b" ") for part in parts)
    if spaces:
        # Complete with them, and not without: they were a plus.
        if length % 4 == 0 or (length - spaces) % 4:
            raise _invalid(
                "it is base64 with spaces, as a form makes of +: send it percent-encoded"
            )
        parts = [part.translate(None, b" ") for part in parts]
    plain = b"".join(parts)
    if not plain.endswith(b"="):
        plain += b"=" * (-len(plain) % 4)
    try:
        return bytes(pybase64.b64decode(plain, validate=True))
    except (binascii.Error, ValueError):
        raise _invalid("it is not base64") from None


def _data_of_url(url: str) -> str:
    """The base64 of ``data:<type>;<parameters>;base64,<data>``."""
    head, comma, data = url[5:].partition(",")
    if not comma:
        raise _invalid("a data: URL has a comma before its data")
    if "base64" not in [part.strip() for part in head.lower().split(";")]:
        raise _invalid("a data: URL of an image has ;base64 before its comma")
    if "%" in data:
        # Only what base64 has that a URL may not: to unquote ten megabytes takes three seconds.
        data = "".join(map(_unquoted, _pieces(data)))
    return _stripped(data)


def _stripped(text: str) -> str:
    while text[:_PIECE].isspace():
        text = text[_PIECE:]
    while text[-_PIECE:].isspace():
        text = text[:-_PIECE]
    return text.strip()


def _pieces(data: str) -> Iterator[str]:
    """Pieces that end within no code: a thread that is at work on one lets others run after it."""
    start = 0
    while start < len(data):
        end = min(start + _PIECE, len(data))
        code = data.rfind("%", max(start + 1, end - 2), end)
        if end < len(data) and code > 0:
            end = code
        yield data[start:end]
        start = end


def _unquoted(piece: str) -> str:
    for code, character in _PERCENT.items():
        piece = piece.replace(code, character).replace(code.lower(), character)
    return piece


def _invalid(reason: str) -> BadRequestError:
    return BadRequestError(f"Invalid image data: {reason}")
