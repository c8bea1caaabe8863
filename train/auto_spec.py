"""Chooses an image spec that suits a set of images."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from errors import ImageError
from images.decoding import image_size, read_pixels
from images.files import read_image
from images.spec import ImageSpec

SAMPLE_SIZE = 256
_MIN_SIDE, _MAX_SIDE = 8, 64
_COLOR_DIFFERENCE = 16


def choose_spec(images: Sequence[Path | bytes]) -> ImageSpec:
    """The spec ``auto``: a square, with a side and mode that suit up to 256 of the images.

    The side is the median of the images' shorter sides, but at least 8 and at most 64: enlarging
    adds nothing, and a classifier of pixels gains little from more. The mode is RGB if the channels
    of a pixel of any image differ by more than 16 of 255 once it is shrunk to that side (JPEG
    alone makes gray pixels differ by a few), else gray. Without a readable image: rgb-64x64. Large
    images are decoded at a reduced size.
    """
    rows = np.unique(np.linspace(0, len(images) - 1, min(SAMPLE_SIZE, len(images))).astype(int))
    sample = [images[row] for row in rows]
    with ThreadPoolExecutor() as pool:
        sides = [side for side in pool.map(_shorter_side, sample) if side is not None]
        side = int(np.clip(np.median(sides), _MIN_SIDE, _MAX_SIDE)) if sides else 64
        color = for_photos(ImageSpec(mode="RGB", width=side, height=side))
        if not sides or any(pool.map(lambda image: _has_color(image, color), sample)):
            return color
    return for_photos(ImageSpec(mode="L", width=side, height=side))


def for_photos(spec: ImageSpec) -> ImageSpec:
    """The spec of a new version, which decodes large images at a reduced size unless it says that
    it does not: a photo of 12 megapixels takes a quarter of the time, then and in serving."""
    if "decoding" in spec.model_fields_set or spec == ImageSpec.parse("digits"):
        return spec
    return spec.model_copy(update={"decoding": "reduced"})


def _content(image: Path | bytes) -> bytes:
    return image if isinstance(image, bytes) else read_image(image)


def _shorter_side(image: Path | bytes) -> int | None:
    try:
        size = image_size(_content(image))
    except ImageError:
        return None
    return min(size) if size else None


def _has_color(image: Path | bytes, spec: ImageSpec) -> bool:
    try:
        pixels = read_pixels(_content(image), spec).reshape(-1, 3).astype(np.int16)
    except ImageError:
        return False
    return bool((pixels.max(axis=1) - pixels.min(axis=1)).max() > _COLOR_DIFFERENCE)
