"""What the header of an image file declares: size and orientation, before anything is decoded.

The work here is bounded by the length of the file, whatever size it declares. Everything but the
image data (text, profiles, thumbnails, further frames) is stripped before decoding: Pillow would
parse it in Python, with warnings, for up to three seconds in a hostile file of 10 MB.
"""

import struct
import zlib
from typing import Final, NamedTuple

from errors import ImageError

MAX_BLOCKS: Final = 4_000
"""Limit of segments, chunks or blocks in a file; real files have a few hundred."""

MAX_RUN_LENGTH: Final = 100_000
"""Pillow decodes run-length coded BMP in Python: 10 MB take 3 s, under the interpreter's lock."""

TRUNCATED: Final = "the image is truncated"
CORRUPT: Final = "the image is corrupt"
TOO_MANY_BLOCKS: Final = f"it has more than {MAX_BLOCKS} blocks"

_PNG_IMAGE: Final = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))


class Size(NamedTuple):
    """In pixels, as stored: the orientation is not applied yet."""

    width: int
    height: int


def png_size(data: bytes) -> Size:
    """Size from IHDR. Raises ImageError."""
    if len(data) < 33:
        raise ImageError(TRUNCATED)
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if kind != b"IHDR" or length != 13:
        raise ImageError(CORRUPT)
    return Size(width, height)


def webp_size(data: bytes) -> Size:
    """Size of the canvas. Raises ImageError."""
    if len(data) < 30 or 8 + int.from_bytes(data[4:8], "little") > len(data):
        raise ImageError(TRUNCATED)
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
    elif kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise ImageError(CORRUPT)
    return Size(width, height)


def bmp_size(data: bytes) -> Size:
    """Size from the info header of any version. Raises ImageError."""
    if len(data) < 26:
        raise ImageError(TRUNCATED)
    if data[14:18] == b"\x0c\0\0\0":
        width, height = struct.unpack_from("<HH", data, 18)
        return Size(width, height)
    width, height = struct.unpack_from("<Ii", data, 18)
    height = abs(height)
    run_length_coded = data[30:34] in (b"\1\0\0\0", b"\2\0\0\0")
    if run_length_coded and max(len(data), width * height) > MAX_RUN_LENGTH:
        raise ImageError(
            f"it is a run-length coded BMP of more than {MAX_RUN_LENGTH} bytes or pixels"
        )
    return Size(width, height)


def gif_size(data: bytes) -> Size:
    """Size of the canvas, enlarged to hold the first frame as Pillow does. Raises ImageError.

    The frame matters: to dispose of one, Pillow allocates as many bytes as it declares as soon as
    the file is opened (measured: a file of 39 bytes took 133 MB).
    """
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        offset = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        inside_extension = False
        for _ in range(MAX_BLOCKS):
            byte = data[offset]
            if inside_extension:
                inside_extension = byte != 0
                offset += 1 + byte
            elif byte == 0x21:
                inside_extension = True
                offset += 2
            elif byte == 0x2C:
                left, top, across, down = struct.unpack_from("<HHHH", data, offset + 1)
                return Size(max(width, left + across), max(height, top + down))
            elif byte == 0x3B:
                raise ImageError("it has no frame")
            else:
                offset += 1
    except (IndexError, struct.error):
        raise ImageError(TRUNCATED) from None
    raise ImageError(TOO_MANY_BLOCKS)


def png_without_metadata(data: bytes) -> tuple[bytes, int]:
    """The PNG reduced to its image data, and its EXIF orientation.

    Drops ancillary chunks, among them those of an animation, so that the image is the one in IDAT.
    Raises ImageError, also for a wrong checksum or a missing IEND.
    """
    view = memoryview(data)
    parts = [view[:8]]
    orientation = 1
    offset = 8
    for _ in range(MAX_BLOCKS):
        if offset + 12 > len(data):
            raise ImageError(TRUNCATED)
        length, kind = struct.unpack_from(">I4s", data, offset)
        end = offset + 12 + length
        if end > len(data):
            raise ImageError(TRUNCATED)
        if kind in _PNG_IMAGE:
            if zlib.crc32(view[offset + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
                raise ImageError(f"{CORRUPT} (checksum of {kind.decode()})")
            if kind == b"IHDR" and offset != 8:
                raise ImageError(CORRUPT)
            parts.append(view[offset:end])
            if kind == b"IEND":
                return b"".join(parts), orientation
        elif kind == b"eXIf":
            orientation = exif_orientation(data[offset + 8 : end - 4])
        offset = end
    raise ImageError(TOO_MANY_BLOCKS)


def exif_orientation(tiff: bytes) -> int:
    """Orientation 1 to 8 from an EXIF block (with or without ``Exif\\0\\0``); 1 if it has none.

    Exif 2.32, 4.6.4: tag 0x0112 of the first directory, a SHORT; a BYTE or LONG is accepted too.
    Never raises: broken metadata does not make an image unreadable.
    """
    tiff = tiff.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (entries,) = struct.unpack_from(f"{order}H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
            if tag == 0x0112:
                code = {1: "B", 3: "H", 4: "I"}[kind]
                (value,) = struct.unpack_from(f"{order}{code}", tiff, entry + 8)
                return int(value) if 1 <= value <= 8 else 1
    except (KeyError, struct.error):
        pass
    return 1
