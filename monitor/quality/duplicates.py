"""Images that are nearly identical: sent twice, or saved again in another quality or size."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import cdist, pdist

from images.spec import ImageSpec

SIDE = 8
MAX_DIFFERENCE = 4.0
"""Mean difference of two thumbnails, in 8-bit steps: JPEG at quality 50 causes less than 2."""
MAX_PROPORTION = 0.1
"""Of the median difference of any two images of the reference: the images of a camera that never
moves are all similar, but not copies."""

_CHUNK = 256
_SAMPLED = 300


def thumbnails(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.float32]:
    """float32 [N, T]: each image (uint8 [N, F]) shrunk to 8x8 pixels, in its colors.

    A few pixels are enough to distinguish images as people do: Torralba, Fergus and Freeman, 80
    Million Tiny Images, IEEE TPAMI 30 (2008). Unlike the bits of a perceptual hash, they do not
    flip in flat, noisy areas.
    """
    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    size = (min(SIDE, spec.width), min(SIDE, spec.height))
    if size == (spec.width, spec.height):
        return pixels.astype(np.float32)
    small = np.empty((len(pixels), size[0] * size[1] * spec.channels), dtype=np.float32)
    for row, image in enumerate(pixels):
        picture = Image.fromarray(image.reshape(shape)).resize(size, Image.Resampling.BOX)
        small[row] = np.asarray(picture).reshape(-1)
    return small


def copies(
    pixels: NDArray[np.uint8], spec: ImageSpec, reference: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """int64 [N]: for each image the first earlier one that it nearly equals, else -1.

    ``pixels``, ``reference``: uint8 [N, F] and [M, F]; how much the images of the reference differ
    decides what is nearly equal.
    """
    originals = np.full(len(pixels), -1, dtype=np.int64)
    if len(pixels) < 2:
        return originals
    limit = largest_difference(reference, spec)
    small = thumbnails(pixels, spec)
    for start in range(0, len(small), _CHUNK):
        rows = small[start : start + _CHUNK]
        differences = cdist(rows, small[: start + len(rows)], "cityblock") / small.shape[1]
        # Only earlier images count, not a row's own column and those after it.
        close = np.tril(differences <= limit, start - 1)
        any_close = close.any(axis=1)
        originals[start : start + len(rows)][any_close] = close.argmax(axis=1)[any_close]
    return originals


def largest_difference(reference: NDArray[np.uint8], spec: ImageSpec) -> float:
    """Of two thumbnails that are nearly equal, by how much the images of ``reference`` differ."""
    small = thumbnails(reference[:_SAMPLED], spec)
    if len(small) < 2:
        return MAX_DIFFERENCE
    typical = float(np.median(pdist(small, "cityblock"))) / small.shape[1]
    return float(min(MAX_DIFFERENCE, MAX_PROPORTION * typical))
