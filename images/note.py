"""What a copy says of its original: the sides that it had, in a comment of the JPEG."""

import re
from typing import Final

from images.header import Size

# The writer puts it in front.
_NOTE: Final = re.compile(rb"\xff\xfe..copy of (\d{1,5})x(\d{1,5}), by Pupila", re.DOTALL)
_WITHIN: Final = 128


def note_of(original: Size) -> bytes:
    """The comment; ``original``: as stored."""
    return f"copy of {original.width}x{original.height}, by Pupila".encode()


def original_size(data: bytes) -> Size | None:
    """Of a copy, the sides that its original had, as stored; None for any other file."""
    match = _NOTE.search(data, 0, _WITHIN)
    return Size(int(match[1]), int(match[2])) if match else None


def times_smaller(copy: Size, original: Size) -> tuple[int, Size] | None:
    """How many times less its sides are than its original's, and those as the copy is turned; None
    if they are not 2, 4 or 8 times less, rounded up."""
    if (copy.width > copy.height) != (original.width > original.height):
        original = Size(original.height, original.width)
    for by in (2, 4, 8):
        if (-(-original.width // by), -(-original.height // by)) == copy:
            return by, original
    return None
