"""From decoded pixels to those of an image spec: on white, in 8 bits, upright, resized.

A whole image per step would take up to five copies of it: 16 bytes a pixel and more. So a large
image takes these steps in strips of some rows, and a very large one a color at a time. Only the
resizing is of a whole, in one call of Pillow's, which chooses the order of its two passes by the
image's size; all else treats each pixel alone, and so gives the same bytes. Where the spec decodes
at a reduced size, the strips become the means of their pixels at once.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.geometry import FROM_THE_END, SIDEWAYS, Box, Placement, place, upright
from images.spec import ImageSpec
from images.specfields import Mode

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
    sides: tuple[int, int] | None = None,
    by: int | None = None,
    strip_pixels: int = STRIP_PIXELS,
    band_pixels: int = BAND_PIXELS,
) -> NDArray[np.uint8]:
    """uint8 [n_features]: row by row, channels last.

    ``image`` is as stored, with its EXIF ``orientation``; ``depth``: a PNG's bits per sample;
    ``sides``: of the file, if its decoder has reduced it; ``by``: how many times less they are,
    or are to be, if that is not what the spec says. It is taken in strips of about
    ``strip_pixels``, if there is more than resizing to do.
    """
    stored = sides or image.size
    standing = upright(*stored, orientation)
    placement = place(*standing, spec)
    by = by or placement.reduction
    if by > 1 and image.size == stored:
        image = _reduced(image, spec.mode, depth, by, strip_pixels)
    box, small = None, upright(*image.size, orientation)
    if placement.box != (0, 0, *small):
        box = placement.within(standing, small, orientation, by)

    pixels = image.width * image.height
    is_plain = image.mode == spec.mode and orientation == 1 and not image.has_transparency_data
    if is_plain or pixels <= strip_pixels:
        result = _resized(_upright(image, orientation, spec.mode, depth), spec, placement, box)
    elif spec.mode == "L" or pixels <= band_pixels:
        whole = _by_strips(image, orientation, spec, depth, strip_pixels)
        result = _resized(whole, spec, placement, box)
    else:
        bands = []
        for band in range(spec.channels):
            whole = _by_strips(image, orientation, spec, depth, strip_pixels, band)
            bands.append(_resized(whole, spec, placement, box))
        result = Image.merge(spec.mode, tuple(bands))
    return np.array(result, dtype=np.uint8).reshape(-1)


def shrink(image: Image.Image, orientation: int, depth: int, mode: Mode, by: int) -> Image.Image:
    """On white, in 8 bits, upright and in the mode, with ``by`` times less the sides."""
    if by > 1:
        image = _reduced(image, mode, depth, by, STRIP_PIXELS)
    return _upright(image, orientation, mode, depth)


def _resized(
    image: Image.Image, spec: ImageSpec, placement: Placement, box: Box | None
) -> Image.Image:
    if image.size != placement.size or box is not None:
        image = image.resize(placement.size, _FILTERS[spec.resize], box)
    if placement.size == (spec.width, spec.height):
        return image
    whole = Image.new(image.mode, (spec.width, spec.height), (spec.fill,) * len(image.getbands()))
    whole.paste(image, placement.at)
    return whole


def _reduced(image: Image.Image, mode: Mode, depth: int, by: int, strip_pixels: int) -> Image.Image:
    """Opaque and in the mode, as stored; each pixel is the mean of ``by`` times ``by``."""
    if image.mode == mode and not image.has_transparency_data:
        return image.reduce(by)
    across, down = image.size
    result = Image.new(mode, (-(-across // by), -(-down // by)))
    rows = by * max(1, strip_pixels // (across * by))
    for top in range(0, down, rows):
        strip = image.crop((0, top, across, min(top + rows, down)))
        result.paste(_upright(strip, 1, mode, depth).reduce(by), (0, top // by))
    return result


def _by_strips(
    image: Image.Image,
    orientation: int,
    spec: ImageSpec,
    depth: int,
    strip_pixels: int,
    band: int | None = None,
) -> Image.Image:
    """The whole image upright in the spec's mode, or only one ``band`` of it."""
    across, down = image.size if orientation not in SIDEWAYS else image.size[::-1]
    result = Image.new(spec.mode if band is None else "L", (across, down))
    rows = max(1, strip_pixels // across)
    for top in range(0, down, rows):
        bottom = min(top + rows, down)
        first, last = top, bottom
        if orientation in FROM_THE_END:
            first, last = down - bottom, down - top
        sides = (0, first, across, last)
        if orientation in SIDEWAYS:
            sides = (first, 0, last, across)
        strip = _upright(image.crop(sides), orientation, spec.mode, depth)
        result.paste(strip if band is None else strip.getchannel(band), (0, top))
    return result


def _upright(image: Image.Image, orientation: int, mode: Mode, depth: int) -> Image.Image:
    """Opaque, converted and turned. Turning only moves pixels, so it comes after the conversion."""
    image = _opaque(image, depth)
    if image.mode != mode:
        image = image.convert(mode)
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
