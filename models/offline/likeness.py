"""Images that are nearly the same: sent twice, or saved again in another quality or size.

Compared by their thumbnails of 8x8 pixels: of the 1,797 digits, two are nearly the same. A
difference hash (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010)
was not taken: on images this small its bits flip in flat areas, and many different digits share
them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import cdist, pdist

from images.spec import ImageSpec
from models.pixels import Pixels

SIDE = 8
MAX_DIFFERENCE = 4.0
"""Mean difference of two thumbnails, in 8-bit steps: JPEG at quality 50 causes less than 2."""
MAX_PROPORTION = 0.1
"""Of the median difference of any two images of the reference: the images of a camera that never
moves are all similar, but not copies."""

_CHUNK = 256
_SAMPLED = 300


@dataclass(frozen=True)
class Likeness:
    """``limit``: mean difference of two thumbnails, in 8-bit steps, up to which they are alike."""

    spec: ImageSpec
    limit: float

    @classmethod
    def of(cls, known: Pixels, spec: ImageSpec) -> Self:
        """As the images of a version differ among each other; ``known``: uint8 [N, F]."""
        return cls(spec, _largest_difference(known, spec))

    def among(self, pixels: Pixels, others: Pixels) -> NDArray[np.bool_]:
        """bool [N]: which of ``pixels``, uint8 [N, F], are nearly one of ``others``, [M, F]."""
        return self.among_thumbnails(pixels, others)

    def among_thumbnails(self, pixels: Pixels, others: Pixels) -> NDArray[np.bool_]:
        """The same, by thumbnails only."""
        found = np.zeros(len(pixels), dtype=bool)
        if not len(pixels) or not len(others):
            return found
        first, second = thumbnails(pixels, self.spec), thumbnails(others, self.spec)
        for start in range(0, len(first), _CHUNK):
            rows = first[start : start + _CHUNK]
            differences = cdist(rows, second, "cityblock") / second.shape[1]
            found[start : start + len(rows)] = (differences <= self.limit).any(axis=1)
        return found

    def earlier(self, pixels: Pixels) -> NDArray[np.int64]:
        """int64 [N]: for each image the first before it that is nearly the same, else -1."""
        first = np.full(len(pixels), -1, dtype=np.int64)
        small = thumbnails(pixels, self.spec)
        for start in range(0, len(small), _CHUNK):
            rows = small[start : start + _CHUNK]
            differences = cdist(rows, small[: start + len(rows)], "cityblock") / small.shape[1]
            close = np.tril(differences <= self.limit, start - 1)
            any_close = close.any(axis=1)
            first[start : start + len(rows)][any_close] = close.argmax(axis=1)[any_close]
        return first


def thumbnails(pixels: Pixels, spec: ImageSpec) -> NDArray[np.float32]:
    """float32 [N, T]: each image (uint8 [N, F]) shrunk to 8x8 pixels, in its colors.

    A few pixels are enough to distinguish images as people do: Torralba, Fergus and Freeman, 80
    Million Tiny Images, IEEE TPAMI 30 (2008). Unlike the bits of a perceptual hash, they do not
    flip in flat, noisy areas.
    """
    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    size = (min(SIDE, spec.width), min(SIDE, spec.height))
    if size == (spec.width, spec.height):
        return pixels[:].astype(np.float32)
    small = np.empty((len(pixels), size[0] * size[1] * spec.channels), dtype=np.float32)
    for row, image in enumerate(pixels):
        picture = Image.fromarray(image.reshape(shape)).resize(size, Image.Resampling.BOX)
        small[row] = np.asarray(picture).reshape(-1)
    return small


def _largest_difference(reference: Pixels, spec: ImageSpec) -> float:
    """Of two thumbnails that are nearly equal, by how much the images of ``reference`` differ."""
    small = thumbnails(reference[:_SAMPLED], spec)
    if len(small) < 2:
        return MAX_DIFFERENCE
    typical = float(np.median(pdist(small, "cityblock"))) / small.shape[1]
    return float(min(MAX_DIFFERENCE, MAX_PROPORTION * typical))
