"""From decoded pixels to those of an image spec: on white, in 8 bits, upright, resized.

A whole image per step would take up to five copies of it: 16 bytes a pixel and more. So a large
image takes these steps in strips of some rows, and a very large one a color at a time. Only the
resizing is of a whole, in one call of Pillow's, which chooses the order of its two passes by the
image's size; all else treats each pixel alone, and so gives the same bytes.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.spec import ImageSpec

STRIP_PIXELS: Final = 65_536

BAND_PIXELS: Final = 12_500_000
"""Above these, the colors are made one by one: 1 byte a pixel in place of 4, for a third of the
speed."""

_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Orientations whose upper rows are stored as columns, and those that are stored from the end.
_SIDEWAYS: Final = frozenset((5, 6, 7, 8))
_FROM_THE_END: Final = frozenset((3, 4, 7, 8))

_FILTERS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def render(
    image: Image.Image,
    spec: ImageSpec,
    orientation: int = 1,
    depth: int = 8,
    strip_pixels: int = STRIP_PIXELS,
    band_pixels: int = BAND_PIXELS,
) -> NDArray[np.uint8]:
    """uint8 [n_features]: row by row, channels last.

    ``image`` is as stored, with its EXIF ``orientation``; ``depth``: a PNG's bits per sample. It is
    taken in strips of about ``strip_pixels``, if there is more than resizing to do.
    """
    pixels = image.width * image.height
    is_plain = image.mode == spec.mode and orientation == 1 and not image.has_transparency_data
    if is_plain or pixels <= strip_pixels:
        result = _resized(_upright(image, orientation, spec, depth), spec)
    elif spec.mode == "L" or pixels <= band_pixels:
        result = _resized(_by_strips(image, orientation, spec, depth, strip_pixels), spec)
    else:
        bands = (
            _resized(_by_strips(image, orientation, spec, depth, strip_pixels, band), spec)
            for band in range(spec.channels)
        )
        result = Image.merge(spec.mode, tuple(bands))
    return np.array(result, dtype=np.uint8).reshape(-1)


def _resized(image: Image.Image, spec: ImageSpec) -> Image.Image:
    size = (spec.width, spec.height)
    return image if image.size == size else image.resize(size, _FILTERS[spec.resize])


def _by_strips(
    image: Image.Image,
    orientation: int,
    spec: ImageSpec,
    depth: int,
    strip_pixels: int,
    band: int | None = None,
) -> Image.Image:
    """The whole image upright in the spec's mode, or only one ``band`` of it."""
    across, down = image.size if orientation not in _SIDEWAYS else image.size[::-1]
    result = Image.new(spec.mode if band is None else "L", (across, down))
    rows = max(1, strip_pixels // across)
    for top in range(0, down, rows):
        bottom = min(top + rows, down)
        first, last = top, bottom
        if orientation in _FROM_THE_END:
            first, last = down - bottom, down - top
        sides = (0, first, across, last)
        if orientation in _SIDEWAYS:
            sides = (first, 0, last, across)
        strip = _upright(image.crop(sides), orientation, spec, depth)
        result.paste(strip if band is None else strip.getchannel(band), (0, top))
    return result


def _upright(image: Image.Image, orientation: int, spec: ImageSpec, depth: int) -> Image.Image:
    """Opaque, converted and turned. Turning only moves pixels, so it comes after the conversion."""
    image = _opaque(image, depth)
    if image.mode != spec.mode:
        image = image.convert(spec.mode)
    return image if orientation == 1 else image.transpose(_UPRIGHT[orientation])


def _opaque(image: Image.Image, depth: int) -> Image.Image:
    """On white, in 8 bits; ``depth`` is a PNG's bits per sample."""
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        # The high byte, as Pillow itself does with 16-bit color.
        gray = (values.clip(0, 0xFFFF) >> 8).astype(np.uint8)
        if isinstance(key, int):
            gray[values == key] = 255
        return Image.fromarray(gray)
    if not image.has_transparency_data:
        return image
    # Pillow scales a PNG's pixels to 8 bits, but not its transparent color.
    if image.mode == "L" and isinstance(key, int):
        image.info["transparency"] = _to_8_bits(key, depth)
    elif image.mode == "RGB" and isinstance(key, tuple):
        image.info["transparency"] = tuple(_to_8_bits(value, depth) for value in key)
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB")


def _to_8_bits(value: int, depth: int) -> int:
    top = (1 << depth) - 1
    return value >> 8 if depth == 16 else (value & top) * 255 // top
