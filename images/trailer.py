"""What follows the end of an image in its file, which no decoder reads and anybody can fill."""

import re
import struct
from typing import Final

from images.formats import FORMATS
from images.header import MAX_BLOCKS

# In the coded data of a JPEG, FF is followed by 00, or by a restart marker.
_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# How much is searched at a time: a thread that is at work on it lets others run in between.
_WINDOW: Final = 262_144

_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = 0xD9
# Without a length: TEM, restarts, SOI.
_ALONE: Final = frozenset((0x01, *range(0xD0, 0xD9)))


def without_trailer(data: bytes) -> bytes:
    """The file up to the end of its image, of all frames if it is an animation.

    The whole file if its format is not one that is read, or if no end is found: nothing that a
    decoder needs is ever cut.
    """
    name = next((known.name for known in FORMATS if known.signature.match(data)), None)
    find = {"JPEG": _jpeg, "PNG": _png, "WebP": _webp, "BMP": _bmp, "GIF": _gif}.get(name or "")
    try:
        end = find(data) if find else len(data)
    except (IndexError, struct.error):
        end = len(data)
    return data[:end] if 0 < end < len(data) else data


def _jpeg(data: bytes) -> int:
    """ITU T.81, B.1 and B.2."""
    offset = 2
    for _ in range(MAX_BLOCKS):
        found = None
        while found is None and offset < len(data):
            found = _MARKER.search(data, offset, offset + _WINDOW + 1)
            offset += _WINDOW
        if found is None:
            break
        marker, offset = found[0][-1], found.end()
        if marker == _END_OF_IMAGE:
            return offset
        if marker not in _ALONE:
            offset += int.from_bytes(data[offset : offset + 2])
    return len(data)


def _png(data: bytes) -> int:
    offset = 8
    for _ in range(MAX_BLOCKS):
        kind = data[offset + 4 : offset + 8]
        offset += 12 + int.from_bytes(data[offset : offset + 4])
        if kind == b"IEND":
            return offset
    return len(data)


def _webp(data: bytes) -> int:
    length = int.from_bytes(data[4:8], "little")
    return 8 + length + length % 2


def _bmp(data: bytes) -> int:
    """Of one that is not compressed; the size in its header is often wrong."""
    if data[14:18] == b"\x0c\0\0\0":
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    size, _, offset = struct.unpack_from("<III", data, 2)
    if compression not in (0, 3):
        return len(data)
    pixels = (abs(width) * bits + 31) // 32 * 4 * abs(height)
    end: int = max(size, offset + pixels)
    return end


def _gif(data: bytes) -> int:
    """GIF89a, appendix A."""
    offset = 13 + _table(data[10])
    while True:
        kind = data[offset]
        if kind == 0x3B:
            return offset + 1
        if kind == 0x2C:
            # A frame: its place, flags and colours, and the size of its codes.
            offset += 10 + _table(data[offset + 9]) + 1
        elif kind == 0x21:
            offset += 2
        else:
            return len(data)
        while data[offset]:
            offset += 1 + data[offset]
        offset += 1


def _table(flags: int) -> int:
    """Bytes of the colours that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
