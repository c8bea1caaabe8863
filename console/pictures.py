"""Images as a browser may safely show them.

Nothing that a client sent is served under a type that could run: what is no JPEG, PNG or WebP of a
moderate size is decoded, within a limit of memory, and encoded again.
"""

import base64
import io
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from errors import ImageError
from images.copies import orientation_of
from images.decoding import examine, read_pixels
from images.formats import sniff
from images.geometry import upright
from images.spec import MAX_SIDE, ImageSpec
from models.version import Version

_AS_IT_IS: Final = {"JPEG": "image/jpeg", "PNG": "image/png", "WebP": "image/webp"}
_AS_IT_IS_BYTES: Final = 300_000
_AS_IT_IS_PIXELS: Final = 2_000_000
_MOST_MEMORY: Final = 128 * 2**20
_QUALITY: Final = 85
TINY: Final = 64
"""Pixels of a side up to which an image is enlarged without smoothing it."""


class Picture(NamedTuple):
    content: bytes
    type: str

    @property
    def is_tiny(self) -> bool:
        """Whether single pixels are worth showing."""
        header = examine(self.content).header
        return max(header.width, header.height) <= TINY

    @property
    def url(self) -> str:
        return f"data:{self.type};base64,{base64.b64encode(self.content).decode()}"


def picture(data: bytes, side: int = MAX_SIDE, most: int = _AS_IT_IS_BYTES) -> Picture:
    """An image file, its longer side about ``side`` pixels at most, as it is if it has no more
    than ``most`` bytes. Raises ImageError."""
    encoded = examine(data)
    width, height = encoded.header.width, encoded.header.height
    kind = _AS_IT_IS.get(sniff(data).name)
    fits = len(data) <= min(most, 400 * side) and width * height <= _AS_IT_IS_PIXELS
    if kind is not None and fits:
        # Also a damaged one: the browser says so, as it would of the file itself.
        return Picture(data, kind)
    factor = min(1.0, min(side, MAX_SIDE) / max(width, height))
    across, down = upright(width, height, orientation_of(encoded))
    spec = ImageSpec(
        mode="RGB",
        width=max(1, round(across * factor)),
        height=max(1, round(down * factor)),
        resize="bilinear",
    )
    if encoded.cost(spec).bytes > _MOST_MEMORY:
        raise ImageError("it takes too much memory to be shown")
    return _encoded(encoded.pixels(spec), spec)


def seen(data: bytes, spec: ImageSpec, max_pixels: int) -> Picture:
    """What a model with the spec sees of an image file: its very pixels. Raises ImageError."""
    if examine(data, max_pixels).cost(spec).bytes > _MOST_MEMORY:
        raise ImageError("it takes too much memory to be shown")
    return exact(read_pixels(data, spec, max_pixels), spec)


def exact(pixels: NDArray[np.uint8], spec: ImageSpec) -> Picture:
    """A PNG of uint8 [F]."""
    buffer = io.BytesIO()
    _image(pixels, spec).save(buffer, "PNG")
    return Picture(buffer.getvalue(), "image/png")


def sees_tiny(version: Version) -> bool:
    """Whether a version's images are such that single pixels are worth showing."""
    spec = version.manifest.image_spec
    return max(spec.width, spec.height) <= TINY


def _encoded(pixels: NDArray[np.uint8], spec: ImageSpec) -> Picture:
    buffer = io.BytesIO()
    _image(pixels, spec).save(buffer, "JPEG", quality=_QUALITY)
    return Picture(buffer.getvalue(), "image/jpeg")


def _image(pixels: NDArray[np.uint8], spec: ImageSpec) -> Image.Image:
    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    return Image.fromarray(pixels.reshape(shape))
