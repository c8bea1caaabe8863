"""How far an image is from the nearest one that a version was trained on.

What the nearest training image cannot explain is the sign of a strange image that needs the least
knowledge of the data: Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors (ICML
2022, https://arxiv.org/abs/2204.06507), and Angiulli and Pizzuti, Fast outlier detection in high
dimensional spaces (PKDD 2002). Small copies of the images suffice: Torralba, Fergus and Freeman, 80
million tiny images (PAMI 30, 2008).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec

NEIGHBOURS = 3_000
"""Training images that are kept, at most: drawn at random, 2.3 MB in color."""

_SIDE = 16
_CHUNK = 256

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """``small``: uint8 [T, G], training images reduced to at most 16 x 16 blocks, as the mean of
    each block and channel."""

    small: NDArray[np.uint8]
    spec: ImageSpec

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], spec: ImageSpec) -> Self:
        """All of the images, uint8 [T, F], as neighbours."""
        small = np.empty((len(pixels), cls.features(spec)), np.uint8)
        for start in range(0, len(pixels), _CHUNK):
            chunk = pixels[start : start + _CHUNK]
            small[start : start + _CHUNK] = np.rint(_reduced(chunk, spec)[0])
        return cls(small, spec)

    @staticmethod
    def features(spec: ImageSpec) -> int:
        """G."""
        return min(spec.height, _SIDE) * min(spec.width, _SIDE) * spec.channels

    def distances(self, pixels: NDArray[np.uint8]) -> Floats:
        """float32 [N]: of N images, uint8 [N, F], the distance to the nearest neighbour, as a root
        mean square in 8-bit steps.

        Detail within the blocks counts as if the neighbour had none, so that noise makes an image
        strange too. On drawn shapes, RGB 64x64, this tells strange images apart as well as the
        distance of all pixels does.
        """
        return self._nearest(pixels, None)

    def among(self, pixels: NDArray[np.uint8], groups: NDArray[np.str_] | None = None) -> Floats:
        """float32 [T]: the same of the neighbours themselves, uint8 [T, F], to the nearest other.

        Of one that was held out at random it would be distributed in the same way. Images of the
        same group are never on both sides of a split, and neither are equal ones: none is a
        neighbour of the other. ``groups``: str [T].
        """
        own = [_codes(self.small)]
        if groups is not None:
            own.append(np.unique(groups, return_inverse=True)[1].reshape(-1))
        return self._nearest(pixels, own)

    def _nearest(
        self, pixels: NDArray[np.uint8], own: list[NDArray[np.intp]] | None
    ) -> NDArray[np.float32]:
        weight = np.sqrt(_block_sizes(self.spec)).astype(np.float32)
        others = self.small * weight
        norms = (others**2).sum(axis=1)
        found = np.empty(len(pixels), np.float32)
        for start in range(0, len(pixels), _CHUNK):
            rows = slice(start, start + _CHUNK)
            means, detail = _reduced(pixels[rows], self.spec)
            means *= weight
            square = (means**2).sum(axis=1)[:, None] + norms - 2 * (means @ others.T)
            for codes in own or ():
                square[codes[rows, None] == codes] = np.inf
            found[rows] = square.min(axis=1, initial=np.inf) + detail
        return np.sqrt(np.maximum(found, 0) / self.spec.n_features)


def _edges(side: int) -> NDArray[np.intp]:
    """Where the blocks of a side begin."""
    count = min(side, _SIDE)
    return np.arange(count) * side // count


def _block_sizes(spec: ImageSpec) -> NDArray[np.intp]:
    """int [G]: the pixels of each block."""
    high, wide = (np.diff(_edges(side), append=side) for side in (spec.height, spec.width))
    return np.repeat(np.outer(high, wide).reshape(-1), spec.channels)


def _reduced(pixels: NDArray[np.uint8], spec: ImageSpec) -> tuple[Floats, Floats]:
    """float32 [n, G], the means of the blocks, and float32 [n], the squares of the rest."""
    grid = pixels.reshape(len(pixels), spec.height, spec.width, spec.channels).astype(np.float32)
    sums = np.add.reduceat(grid, _edges(spec.height), axis=1)
    sums = np.add.reduceat(sums, _edges(spec.width), axis=2).reshape(len(pixels), -1)
    sizes = _block_sizes(spec).astype(np.float32)
    means = sums / sizes
    detail = (grid.reshape(len(pixels), -1) ** 2).sum(axis=1) - (means**2 * sizes).sum(axis=1)
    return np.asarray(means, np.float32), np.asarray(np.maximum(detail, 0), np.float32)


def _codes(small: NDArray[np.uint8]) -> NDArray[np.intp]:
    """int [T], equal for equal images."""
    rows = np.ascontiguousarray(small).view(f"V{small.shape[1]}")
    return np.unique(rows, return_inverse=True)[1].reshape(-1)
