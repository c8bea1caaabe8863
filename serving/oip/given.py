"""What a tensor of features or pixels is to a version: its features, and a file for the record."""

import struct
import zlib
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from errors import BadRequestError, ImageError
from images.decoding import read_pixels
from images.spec import ImageSpec
from serving.inference.engine import Given
from serving.oip.tensors import PIXELS, Tensor

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_GRAY, _COLOR = 0, 2


def given(tensor: Tensor, spec: ImageSpec) -> list[Given]:
    """Of each image of a tensor of ``features`` or ``pixels``. Raises BadRequestError if its shape
    is not the spec's.

    Pixels become a file as well, if the spec makes the same pixels of it: so they can be looked at,
    labelled, and trained on. Features are no image any more.
    """
    _check_shape(tensor, spec)
    assert isinstance(tensor.content, np.ndarray)  # noqa: S101 - for the type checker
    rows = tensor.content.reshape(tensor.images, spec.n_features)
    if tensor.name != PIXELS:
        return [Given(row) for row in rows.astype(np.float32, copy=False)]
    if not _keeps_pixels(spec):
        return [Given(row) for row in spec.features(rows)]
    return [
        Given(features, png(pixels, spec))
        for features, pixels in zip(spec.features(rows), rows, strict=True)
    ]


def _check_shape(tensor: Tensor, spec: ImageSpec) -> None:
    shape = tensor.shape[1:]
    # Features are in the spec's order: in that of pixels they would be another image.
    order = "HWC" if tensor.name == PIXELS else spec.order
    sizes_of = {"H": spec.height, "W": spec.width, "C": spec.channels}
    allowed = [(spec.n_features,), tuple(sizes_of[axis] for axis in order)]
    if spec.channels == 1:
        allowed.append(tuple(sizes_of[axis] for axis in order if axis != "C"))
    if shape not in allowed:
        shapes = [", ".join(map(str, ("N", *sizes))) for sizes in allowed]
        raise BadRequestError(
            f"The shape of {tensor.name} must be [{'] or ['.join(shapes)}] for this model, not "
            f"[{', '.join(map(str, tensor.shape))}]."
        )


def png(pixels: NDArray[np.uint8], spec: ImageSpec) -> bytes:
    """A PNG of uint8 [n_features], not compressed: that is 20 times as fast, and the image is as
    small as the model sees it."""
    rows = pixels.reshape(spec.height, spec.width * spec.channels)
    lines = np.zeros((spec.height, rows.shape[1] + 1), np.uint8)
    lines[:, 1:] = rows
    color = _GRAY if spec.channels == 1 else _COLOR
    head = struct.pack(">IIBBBBB", spec.width, spec.height, 8, color, 0, 0, 0)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", head),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 0)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    content = kind + content
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))


@lru_cache(64)
def _keeps_pixels(spec: ImageSpec) -> bool:
    """Whether the spec makes of a file with its own pixels just these: one that crops does not."""
    pixels = np.random.default_rng(0).integers(0, 256, spec.n_features, np.uint8)
    try:
        return np.array_equal(read_pixels(png(pixels, spec), spec), pixels)
    except ImageError:
        return False
