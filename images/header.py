"""The header of an image file: format, size and orientation, told before anything is decoded.

Work here is bounded by the bytes at hand, whatever size they declare. What a file says besides its
picture (text, profiles, thumbnails, further frames) is left out of what the decoder sees: Pillow
would parse it in Python, with warnings, at up to three seconds for a hostile file of 10 MB.
"""

import struct
import zlib
from typing import Final, Literal, NamedTuple

from errors import ImageError

Format = Literal["JPEG", "PNG", "WEBP", "BMP", "GIF"]

READABLE: Final = "a JPEG, PNG, WebP, BMP or GIF"
MAX_BLOCKS: Final = 4_000
"""Segments, chunks or blocks that are walked through in one file; real ones have a few hundred."""

MAX_RUN_LENGTH: Final = 100_000
"""Pillow decodes run-length coded BMP in Python, 10 MB in 3 s, under the interpreter's lock."""

TRUNCATED: Final = "the image is truncated"
CORRUPT: Final = "the image is corrupt"
CROWDED: Final = f"it has more than {MAX_BLOCKS} blocks"

PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_PNG_PICTURE: Final = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))

_OTHERS: Final = (
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (4, b"ftypavif", "an AVIF"),
    (4, b"ftypavis", "an AVIF"),
    (4, b"ftyphei", "a HEIC"),
    (4, b"ftypmif1", "a HEIC"),
    (4, b"ftypmsf1", "a HEIC"),
    (4, b"ftyp", "a video"),
    (0, b"\0\0\0\x0cjP", "a JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (0, b"\xff\x0a", "a JPEG XL"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"<svg", "an SVG"),
    (0, b"<?xml", "an XML document"),
    (0, b"<", "an HTML or XML document"),
)


class Header(NamedTuple):
    """What the first bytes declare; ``width`` and ``height`` before any turning, in pixels."""

    format: Format
    width: int
    height: int


def image_format(data: bytes) -> Format:
    """The format by its first bytes. Raises ImageError for any that is not read here."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(PNG_MAGIC):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM"):
        return "BMP"
    if not data:
        raise ImageError("it is empty")
    for offset, magic, name in _OTHERS:
        if data.startswith(magic, offset):
            raise ImageError(f"it is {name}, not {READABLE}")
    raise ImageError(f"it is not {READABLE}")


def png_header(data: bytes) -> Header:
    """Size from IHDR. Raises ImageError."""
    if len(data) < 33:
        raise ImageError(TRUNCATED)
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if kind != b"IHDR" or length != 13:
        raise ImageError(CORRUPT)
    return Header("PNG", width, height)


def webp_header(data: bytes) -> Header:
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
    return Header("WEBP", width, height)


def bmp_header(data: bytes) -> Header:
    """Size from the info header of any version. Raises ImageError."""
    if len(data) < 26:
        raise ImageError(TRUNCATED)
    if data[14:18] == b"\x0c\0\0\0":
        width, height = struct.unpack_from("<HH", data, 18)
        return Header("BMP", width, height)
    width, height = struct.unpack_from("<Ii", data, 18)
    height = abs(height)
    run_length_coded = data[30:34] in (b"\1\0\0\0", b"\2\0\0\0")
    if run_length_coded and max(len(data), width * height) > MAX_RUN_LENGTH:
        raise ImageError(
            f"a run-length coded BMP may have no more than {MAX_RUN_LENGTH} bytes or pixels"
        )
    return Header("BMP", width, height)


def gif_header(data: bytes) -> Header:
    """Size of the canvas, grown to hold the first frame as Pillow grows it. Raises ImageError.

    The frame matters: for one to be disposed of, Pillow fills as many bytes as it declares when it
    opens the file (measured: 39 bytes took 133 MB), so its size must be known before.
    """
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        inside_extension = False
        for _ in range(MAX_BLOCKS):
            byte = data[at]
            if inside_extension:
                inside_extension = byte != 0
                at += 1 + byte
            elif byte == 0x21:
                inside_extension = True
                at += 2
            elif byte == 0x2C:
                left, top, across, down = struct.unpack_from("<HHHH", data, at + 1)
                return Header("GIF", max(width, left + across), max(height, top + down))
            elif byte == 0x3B:
                raise ImageError("it has no picture")
            else:
                at += 1
    except (IndexError, struct.error):
        raise ImageError(TRUNCATED) from None
    raise ImageError(CROWDED)


def png_picture(data: bytes) -> tuple[bytes, int]:
    """The PNG with nothing but its (first) picture, and its EXIF orientation.

    Leaves out ancillary chunks, among them those of an animation, so that the picture is the one
    in IDAT. Raises ImageError, also where a checksum is wrong or there is no IEND.
    """
    view = memoryview(data)
    parts = [view[:8]]
    orientation = 1
    at = 8
    for _ in range(MAX_BLOCKS):
        if at + 12 > len(data):
            raise ImageError(TRUNCATED)
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ImageError(TRUNCATED)
        if kind in _PNG_PICTURE:
            if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
                raise ImageError(f"{CORRUPT} (checksum of {kind.decode()})")
            if kind == b"IHDR" and at != 8:
                raise ImageError(CORRUPT)
            parts.append(view[at:end])
            if kind == b"IEND":
                return b"".join(parts), orientation
        elif kind == b"eXIf":
            orientation = exif_orientation(data[at + 8 : end - 4])
        at = end
    raise ImageError(CROWDED)


def exif_orientation(tiff: bytes) -> int:
    """Orientation 1–8 from an EXIF block (with or without ``Exif\\0\\0``); 1 where it has none.

    Exif 2.32, 4.6.4: tag 0x0112 of the first directory, a SHORT; wider or narrower is read too.
    Never raises: metadata that cannot be read does not make a picture unreadable.
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
