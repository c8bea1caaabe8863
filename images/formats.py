"""The image formats: those that are read, and those that are recognized only to be refused by name.

To read another format, add a row to ``FORMATS`` here, a function for its size to
``images/header.py``, and its plugin and a row of decoders to ``images/decoding.py``.
"""

import re
from typing import Final, NamedTuple

from errors import ImageError


class Format(NamedTuple):
    """A format that is read.

    ``name`` is what people write, and in upper case what Pillow calls it. ``signature`` matches a
    file's first bytes. ``suffixes`` are in lower case, with their dot.
    """

    name: str
    signature: re.Pattern[bytes]
    suffixes: tuple[str, ...]
    media_type: str


class _Other(NamedTuple):
    """A format that is not read; ``name`` has its article."""

    name: str
    signature: re.Pattern[bytes]


def _starts(pattern: bytes) -> re.Pattern[bytes]:
    """A pattern for the first bytes of a file; a dot stands for any byte."""
    return re.compile(pattern, re.DOTALL)


FORMATS: Final = (
    Format("JPEG", _starts(rb"\xff\xd8\xff"), (".jpg", ".jpeg"), "image/jpeg"),
    Format("PNG", _starts(rb"\x89PNG\r\n\x1a\n"), (".png",), "image/png"),
    Format("WebP", _starts(rb"RIFF....WEBP"), (".webp",), "image/webp"),
    Format("BMP", _starts(rb"BM"), (".bmp",), "image/bmp"),
    Format("GIF", _starts(rb"GIF8[79]a"), (".gif",), "image/gif"),
)

_OTHERS: Final = (
    _Other("a TIFF", _starts(rb"II\*\0|MM\0\*")),
    _Other("an AVIF", _starts(rb"....ftypavi[fs]")),
    _Other("a HEIC", _starts(rb"....ftyp(?:hei|mif1|msf1)")),
    _Other("a video", _starts(rb"....ftyp")),
    _Other("a JPEG 2000", _starts(rb"\0\0\0\x0cjP|\xff\x4f\xff\x51")),
    _Other("a JPEG XL", _starts(rb"\0\0\0\x0cJXL |\xff\x0a")),
    _Other("an icon", _starts(rb"\0\0\x01\0")),
    _Other("a Photoshop document", _starts(rb"8BPS")),
    _Other("a PDF", _starts(rb"%PDF")),
    _Other("a ZIP archive", _starts(rb"PK\x03\x04")),
    _Other("an SVG", _starts(rb"<svg")),
    _Other("an XML document", _starts(rb"<\?xml")),
    _Other("an HTML or XML document", _starts(rb"<")),
)

_NAMES: Final = [format_.name for format_ in FORMATS]

ANY_FORMAT: Final = f"a {', '.join(_NAMES[:-1])} or {_NAMES[-1]}"
"""All formats that are read, as a sentence has them: ``a JPEG, PNG, … or GIF``."""

SUFFIXES: Final = frozenset(suffix for format_ in FORMATS for suffix in format_.suffixes)


def sniff(data: bytes) -> Format:
    """The format that a file's first bytes show.

    Raises ImageError, with the reason alone, unless it is one of ``FORMATS``.
    """
    for known in FORMATS:
        if known.signature.match(data):
            return known
    if not data:
        raise ImageError("it is empty")
    for other in _OTHERS:
        if other.signature.match(data):
            raise ImageError(f"it is {other.name}, not {ANY_FORMAT}")
    raise ImageError(f"it is not {ANY_FORMAT}")


def is_recognized(data: bytes) -> bool:
    """Whether a file's first bytes are those of an image, even unread, or another binary file."""
    return not data.startswith(b"<") and any(
        known.signature.match(data) for known in (*FORMATS, *_OTHERS)
    )
