"""Smaller copies of large images, in which a model sees nearly the same pixels.

Of a model whose spec decodes at a reduced size, or keeps the image's proportions, a copy is the
image decoded so: its pixels are what the spec's filter takes anyway, but for JPEG's loss. From the
copy they are reduced by what is left of the original's reduction.

For any other, a copy's sides are multiples of the spec's, so that each pixel of the spec covers
whole pixels of the copy. Of photos of 12 megapixels for 224x224, the features from the copy are off
by 1.0 of 255 in the mean and 15 at the most; 48 where the sides are no multiples.
"""

import io
from typing import Final

from PIL import Image

from images.decoding import Decoded, Encoded
from images.geometry import REDUCTIONS, place, upright
from images.header import Size, exif_orientation, png_without_metadata
from images.jpeg import Frame
from images.note import note_of
from images.rendering import shrink
from images.spec import ImageSpec

MIN_SIDE: Final = 512
TIMES: Final = 2
"""A copy has at least this many times the spec's sides."""

MUCH: Final = 4
"""An original has at least this many times the pixels of its copy."""

# Of a copy with this many pixels to one of the spec, color is kept at half of the sides.
_COLOR_TIMES: Final = 3

# Against 95: two thirds of the bytes, and features that are hardly farther off.
_QUALITY: Final = 90


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


def decodes_alike(encoded: Encoded, spec: ImageSpec) -> bool:
    """Whether a model's pixels and its copy are made of the same reduced image, if it is a JPEG."""
    by = encoded.reduction(spec)
    return (
        by > 1
        and isinstance(encoded.header, Frame)
        and (spec.mode == "RGB" or encoded.is_gray)
        and by == _reduction(encoded, spec)
    )


def make_copy(
    encoded: Encoded, spec: ImageSpec, max_bytes: int, decoded: Decoded | None = None
) -> bytes | None:
    """A JPEG of the image as the spec's model sees it, but larger: upright, on white, in 8 bits,
    with a note of the original's sides.

    None if it would not be smaller, or would take more than ``max_bytes`` of memory. Takes 50 to
    70 ms for a JPEG of 12 megapixels, or 10 with what was ``decoded`` where ``decodes_alike``.
    Raises ImageError for a damaged image.
    """
    image: Image.Image | None
    if decoded is not None and _is_for_copy(decoded, encoded, spec):
        image = shrink(*decoded, "L" if encoded.is_gray else "RGB", 1)
    elif spec.decoding == "reduced" or spec.fit != "stretch":
        image = _reduced(encoded, spec, max_bytes)
    else:
        image = _stretched(encoded, spec, max_bytes)
    if image is None:
        return None
    header = encoded.header
    written = io.BytesIO()
    image.save(
        written,
        "JPEG",
        quality=_QUALITY,
        subsampling="4:2:0" if _has_color_to_spare(image, spec) else "4:4:4",
        comment=note_of(Size(header.width, header.height)),
    )
    copy = written.getvalue()
    return copy if len(copy) < len(encoded.data) else None


def _has_color_to_spare(image: Image.Image, spec: ImageSpec) -> bool:
    """Whether color at half of its sides, as most cameras keep it, is finer than the model looks.

    Of photos of 12 megapixels for 224x224, a copy takes two thirds of the time then and three
    quarters of the bytes, and features are off by 0.7 of 255 in the mean, and 7 at the most, in
    place of 0.4 and 3. Where a copy's sides are multiples of the spec's, half of them are not.
    """
    return spec.decoding == "reduced" and place(*image.size, spec).times >= _COLOR_TIMES


def _is_for_copy(decoded: Decoded, encoded: Encoded, spec: ImageSpec) -> bool:
    """It may have been decoded for another model."""
    by, header = _reduction(encoded, spec), encoded.header
    sides = -(-header.width // by), -(-header.height // by)
    return decodes_alike(encoded, spec) and decoded.image.size == sides


def _reduction(encoded: Encoded, spec: ImageSpec) -> int:
    """By how many times less its sides a copy is decoded."""
    shorter = min(encoded.header.width, encoded.header.height)
    least = encoded.reduction(spec.model_copy(update={"decoding": "reduced"}))
    return next((by for by in REDUCTIONS if by <= least and shorter // by >= MIN_SIDE), 1)


def _reduced(encoded: Encoded, spec: ImageSpec, max_bytes: int) -> Image.Image | None:
    by = _reduction(encoded, spec)
    if by == 1 or encoded.cost(spec, by).bytes > max_bytes:
        return None
    return encoded.reduced(by)


def _stretched(encoded: Encoded, spec: ImageSpec, max_bytes: int) -> Image.Image | None:
    header = encoded.header
    if copy_size(header.width, header.height, spec) is None and (
        copy_size(header.height, header.width, spec) is None
    ):
        return None
    size = copy_size(*upright(header.width, header.height, orientation_of(encoded)), spec)
    if size is None:
        return None
    # Beyond what a spec of a model may have.
    larger = ImageSpec.model_construct(
        mode="L" if encoded.is_gray else "RGB",
        width=size.width,
        height=size.height,
        resize="box",
    )
    # The decoder gives the mean of each two by two pixels for a third of the time and a quarter of
    # the memory, if it is libjpeg.
    by = 2 if isinstance(header, Frame) and _is_twice(encoded, size) else 1
    if encoded.cost(larger, by).bytes > max_bytes:
        return None
    if by == 2:
        return encoded.reduced(by).resize((size.width, size.height), Image.Resampling.BOX)
    pixels = encoded.pixels(larger).tobytes()
    return Image.frombytes(larger.mode, (size.width, size.height), pixels)


def _is_twice(encoded: Encoded, size: Size) -> bool:
    """Whether half of its sides are twice those."""
    across, down = upright(encoded.header.width, encoded.header.height, orientation_of(encoded))
    return across >= 4 * size.width and down >= 4 * size.height


def _multiple(least: int, side: int) -> int:
    return -(-least // side) * side


def orientation_of(encoded: Encoded) -> int:
    """As EXIF has it, 1 if it says nothing; read before anything is decoded."""
    header = encoded.header
    if isinstance(header, Frame):
        return header.orientation
    if header.format == "PNG":
        return png_without_metadata(encoded.data)[1]
    if header.format == "WebP":
        at = encoded.data.find(b"EXIF", 12)
        return exif_orientation(encoded.data[at + 8 :]) if at >= 0 else 1
    return 1
