"""Images that are nearly the same, so that none stands on both sides of a split.

Compared by their thumbnails of 8x8 pixels, as in ``monitor.quality.duplicates``, which says why
and up to which difference: of the 1,797 digits, two are nearly the same. A difference hash
(Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010) was not taken:
on images this small its bits flip in flat areas, and many different digits share them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from images.spec import ImageSpec
from monitor.quality.duplicates import largest_difference, thumbnails

_CHUNK = 256


@dataclass(frozen=True)
class Likeness:
    """``limit``: mean difference of two thumbnails, in 8-bit steps, up to which they are alike."""

    spec: ImageSpec
    limit: float

    @classmethod
    def of(cls, known: NDArray[np.uint8], spec: ImageSpec) -> Self:
        """As the images of a version differ among each other; ``known``: uint8 [N, F]."""
        return cls(spec, largest_difference(known, spec))

    def among(self, pixels: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """bool [N]: which of ``pixels``, uint8 [N, F], are nearly one of ``others``, [M, F]."""
        found = np.zeros(len(pixels), dtype=bool)
        if not len(pixels) or not len(others):
            return found
        first, second = thumbnails(pixels, self.spec), thumbnails(others, self.spec)
        for start in range(0, len(first), _CHUNK):
            rows = first[start : start + _CHUNK]
            differences = cdist(rows, second, "cityblock") / second.shape[1]
            found[start : start + len(rows)] = (differences <= self.limit).any(axis=1)
        return found

    def earlier(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
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
