"""Smaller copies of large images, in which a model sees nearly the same pixels.

A copy's sides are multiples of the spec's, so that each pixel of the spec covers whole pixels of
the copy. Of photos of 12 megapixels for 224x224, the features from the copy are off by 1.0 of 255
in the mean and 15 at the most; 48 where the sides are no multiples.
"""

import io
import re
from typing import Final

from PIL import Image

from errors import ImageError
from images.decoding import Encoded
from images.header import CORRUPT, Size, exif_orientation, png_without_metadata
from images.jpeg import Frame
from images.rendering import render
from images.spec import ImageSpec

MIN_SIDE: Final = 512
TIMES: Final = 2
"""A copy has at least this many times the spec's sides."""

MUCH: Final = 4
"""An original has at least this many times the pixels of its copy."""

# Against 95: two thirds of the bytes, and features that are hardly farther off.
_QUALITY: Final = 90
_SIDEWAYS: Final = frozenset((5, 6, 7, 8))
# The writer puts it in front.
_NOTE: Final = re.compile(rb"\xff\xfe..copy of (\d{1,5})x(\d{1,5}), by Pupila", re.DOTALL)
_NOTE_WITHIN: Final = 128


def copy_size(width: int, height: int, spec: ImageSpec) -> Size | None:
    """The sides of the copy of an upright image; None if it would not be much smaller, or the model
    would see something else in it."""
    if spec.resize == "nearest":
        # It takes single pixels, which are not in the copy.
        return None
    least = [_multiple(max(MIN_SIDE, TIMES * side), side) for side in (spec.width, spec.height)]
    scale = max(least[0] / width, least[1] / height)
    size = Size(
        max(least[0], round(width * scale / spec.width) * spec.width),
        max(least[1], round(height * scale / spec.height) * spec.height),
    )
    return size if size.width * size.height * MUCH <= width * height else None


def make_copy(encoded: Encoded, spec: ImageSpec, max_bytes: int) -> bytes | None:
    """A JPEG of the image as the spec's model sees it, but larger: upright, on white, in 8 bits,
    with a note of the original's sides.

    None if it would not be smaller, or would take more than ``max_bytes`` of memory. Takes 70 ms
    for a JPEG of 12 megapixels. Raises ImageError for a damaged image.
    """
    header = encoded.header
    if copy_size(header.width, header.height, spec) is None and (
        copy_size(header.height, header.width, spec) is None
    ):
        return None
    orientation = _orientation(encoded)
    sides = (header.width, header.height)
    size = copy_size(*(sides[::-1] if orientation in _SIDEWAYS else sides), spec)
    if size is None:
        return None
    # Beyond what a spec of a model may have.
    larger = ImageSpec.model_construct(
        mode="L" if _is_gray(encoded) else "RGB",
        width=size.width,
        height=size.height,
        resize="box",
    )
    shape = (size.height, size.width) if larger.mode == "L" else (size.height, size.width, 3)
    half = _half_size(encoded, size)
    if half is not None:
        if _half_bytes(encoded, half) > max_bytes:
            return None
        pixels = _from_half(encoded, half, larger)
    else:
        if encoded.cost(larger).bytes > max_bytes:
            return None
        pixels = encoded.pixels(larger).tobytes()
    written = io.BytesIO()
    Image.frombytes(larger.mode, shape[1::-1], pixels).save(
        written,
        "JPEG",
        quality=_QUALITY,
        # Color as fine as the rest: a model may look at it as closely.
        subsampling=0,
        comment=f"copy of {header.width}x{header.height}, by Pupila".encode(),
    )
    copy = written.getvalue()
    return copy if len(copy) < len(encoded.data) else None


def original_size(data: bytes) -> Size | None:
    """Of a copy, the sides that its original had, as stored; None for any other file."""
    match = _NOTE.search(data, 0, _NOTE_WITHIN)
    return Size(int(match[1]), int(match[2])) if match else None


def _multiple(least: int, side: int) -> int:
    return -(-least // side) * side


def _half_size(encoded: Encoded, size: Size) -> Size | None:
    """The sides at which the decoder gives the mean of each two by two pixels, for a third of the
    time and a quarter of the memory; None where it cannot, or they are too few."""
    frame = encoded.header
    if not isinstance(frame, Frame):
        return None
    sides = (frame.width, frame.height)
    across, down = sides[::-1] if frame.orientation in _SIDEWAYS else sides
    enough = across >= 4 * size.width and down >= 4 * size.height
    return Size(frame.width // 2, frame.height // 2) if enough else None


def _half_bytes(encoded: Encoded, half: Size) -> int:
    frame = encoded.header
    assert isinstance(frame, Frame)  # noqa: S101 - for the type checker
    held = 0 if frame.is_one_scan else 2 * frame.coefficients * frame.width * frame.height
    # What is decoded, and what rendering makes of it.
    return int(held + 8 * half.width * half.height)


def _from_half(encoded: Encoded, half: Size, spec: ImageSpec) -> bytes:
    frame = encoded.header
    assert isinstance(frame, Frame)  # noqa: S101 - for the type checker
    file = io.BytesIO(frame.without_metadata(encoded.data))
    try:
        with Image.open(file, formats=("JPEG",)) as image:
            image.draft(image.mode, half)
            image.load()
            return render(image, spec, frame.orientation).tobytes()
    except Exception as error:
        # Pillow raises anything on damaged bytes.
        raise ImageError(CORRUPT) from error


def _orientation(encoded: Encoded) -> int:
    header = encoded.header
    if isinstance(header, Frame):
        return header.orientation
    if header.format == "PNG":
        return png_without_metadata(encoded.data)[1]
    if header.format == "WebP":
        at = encoded.data.find(b"EXIF", 12)
        return exif_orientation(encoded.data[at + 8 :]) if at >= 0 else 1
    return 1


def _is_gray(encoded: Encoded) -> bool:
    if isinstance(encoded.header, Frame):
        return encoded.header.components == 1
    # A PNG's color type.
    return encoded.header.format == "PNG" and encoded.data[25] in (0, 4)
