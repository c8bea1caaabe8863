"""The bytes of an image sent as text: base64 as clients write it, plain or in a ``data:`` URL."""

import binascii
from typing import Final

import pybase64

from errors import BadRequestError

# URL-safe base64 becomes the ordinary one; line breaks and tabs go.
_ORDINARY: Final = bytes.maketrans(b"-_", b"+/")
_BREAKS: Final = b"\r\n\t\v\f"
_PERCENT: Final = {"%2B": "+", "%2F": "/", "%3D": "=", "%0A": "\n", "%0D": "\r", "%20": " "}


def decode_base64(text: str) -> bytes:
    """The bytes in base64 text.

    Padding may be missing, the alphabet be the URL-safe one, lines be broken, and a ``data:`` URL
    be around it, percent-encoded or not. Raises BadRequestError, with the likely cause where the
    text shows one.
    """
    try:
        # What nearly everybody sends, at the speed of memory.
        content = pybase64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = _decode_loosely(text)
    if not content:
        raise _invalid("it is empty")
    return content


def _decode_loosely(text: str) -> bytes:
    text = text.strip()
    if text[:5].lower() == "data:":
        text = _data_of_url(text)
    elif text.startswith(("http://", "https://", "file://")):
        raise _invalid("it is a URL, and URLs are not fetched: send the image itself as base64")
    elif text.startswith(("b'", 'b"')):
        raise _invalid("it is the text of a Python bytes object, b'…': decode it to a string first")
    if not text.isascii():
        raise _invalid("it is not base64")
    plain = text.encode().translate(_ORDINARY, _BREAKS)
    spaces = plain.count(b" ")
    if spaces:
        # Complete with them, and not without: they were a plus.
        if len(plain) % 4 == 0 or (len(plain) - spaces) % 4:
            raise _invalid(
                "it is base64 with spaces, as a form makes of +: send it percent-encoded"
            )
        plain = plain.translate(None, b" ")
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
        for code, character in _PERCENT.items():
            data = data.replace(code, character).replace(code.lower(), character)
    return data.strip()


def _invalid(reason: str) -> BadRequestError:
    return BadRequestError(f"Invalid image data: {reason}")
