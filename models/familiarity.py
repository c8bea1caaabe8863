"""Whether an image is like those that a version was trained on: its distance to the nearest one.

Of an extractor's embeddings, the distance between directions: Sun, Ming, Zhu and Li,
Out-of-Distribution Detection with Deep Nearest Neighbors (ICML 2022,
https://arxiv.org/abs/2204.06507). Of pixels, that of small copies of the images, with the detail
that these lack: as ``models.neighbours`` does it for the monitor, which has its sources. Measured
against Mahalanobis distances and reconstruction errors in ``bench/honest.md``.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec

Space = Literal["pixels", "embedding"]
Floats = NDArray[np.float32]

NEIGHBOURS: Final = 2_000
"""Training images that are kept, at most: a distance of 64x64 pixels in color then takes half a
millisecond."""

SHARES: Final = (0.01, 0.05)
"""Of the held-out images, those beyond the two limits."""

NEEDED: Final = {0.01: 200, 0.05: 40}
"""Held-out images that a limit needs: two are expected beyond it."""

_SIDE: Final = 16
_CHUNK: Final = 256
_LEAST: Final = np.float32(1e-12)
# A processor that adds up in another order must not change what is known.
_TOLERANCE: Final = 1 + 1e-4


@dataclass(frozen=True, eq=False)
class Familiarity:
    """``neighbours``: float16 [T, G], training images as they are compared; ``distances``: float32
    [n], of held-out images to the nearest of these, in ascending order; ``spec``: of the features
    that are compared, None for embeddings."""

    neighbours: NDArray[np.float16]
    distances: Floats
    spec: ImageSpec | None

    @classmethod
    def of(cls, trained: Floats, held: Floats, spec: ImageSpec | None, seed: int) -> Self:
        """``trained`` and ``held``: float32 [N, F] and [M, F], what the classifier takes of images
        that it was and was not trained on. Of many to train on, some are drawn by ``seed``."""
        rows = np.sort(np.random.default_rng([seed, 5]).permutation(len(trained))[:NEIGHBOURS])
        neighbours = np.concatenate(
            [_compared(part, spec)[0].astype(np.float16) for part in _chunks(trained[rows])]
        )
        empty = cls(neighbours, np.empty(0, np.float32), spec)
        return cls(neighbours, np.sort(empty.of_images(held)), spec)

    def of_images(self, inputs: Floats) -> Floats:
        """float32 [N]: the distance of each image to its nearest neighbour; ``inputs``: float32
        [N, F], what the classifier takes."""
        others, norms = self._others
        found = np.empty(len(inputs), np.float32)
        for start in range(0, len(inputs), _CHUNK):
            vectors, detail = _compared(inputs[start : start + _CHUNK], self.spec)
            square = (vectors**2).sum(axis=1) - (2 * (vectors @ others) - norms).max(axis=1)
            found[start : start + _CHUNK] = np.sqrt(np.maximum(square + detail, 0))
        return found

    def limit(self, share: float) -> float | None:
        """The distance beyond which this share of the held-out images is; None if they are too few
        to tell (``NEEDED``)."""
        count = len(self.distances)
        if count < NEEDED[share]:
            return None
        return float(self.distances[min(math.ceil((count + 1) * (1 - share)), count) - 1])

    @cached_property
    def bound(self) -> float | None:
        """The limit by which an image is known or not: that of the smallest share there is."""
        limits = (self.limit(share) for share in SHARES)
        return next((limit for limit in limits if limit is not None), None)

    def knows(self, inputs: Floats) -> NDArray[np.bool_]:
        """bool [N]: whether each image is within the bound. Raises ValueError if there is none."""
        if self.bound is None:
            raise ValueError("too few images were held out")
        # Not a number is not known.
        return self.of_images(inputs) <= self.bound * _TOLERANCE

    @cached_property
    def _others(self) -> tuple[Floats, Floats]:
        """float32 [G, T] and [T]: the neighbours for a product, and their squares."""
        others = self.neighbours.astype(np.float32)
        return np.ascontiguousarray(others.T), (others**2).sum(axis=1)


def width(spec: ImageSpec | None, n_inputs: int) -> int:
    """G."""
    if spec is None:
        return n_inputs
    return min(spec.height, _SIDE) * min(spec.width, _SIDE) * spec.channels


def _chunks(inputs: Floats) -> list[Floats]:
    return [inputs[start : start + _CHUNK] for start in range(0, max(len(inputs), 1), _CHUNK)]


def _compared(inputs: Floats, spec: ImageSpec | None) -> tuple[Floats, Floats]:
    """float32 [N, G], and [N], the square of what that leaves out of each image.

    Embeddings become unit vectors. Of pixels, means of at most 16 x 16 blocks are compared, each as
    if it were all pixels of its block; the detail within counts as if the neighbour had none.
    """
    if spec is None:
        lengths = np.sqrt((inputs**2).sum(axis=1, keepdims=True))
        return inputs / np.maximum(lengths, _LEAST), np.zeros(len(inputs), np.float32)
    sides = {"H": spec.height, "W": spec.width, "C": spec.channels}
    order: str = getattr(spec, "order", "HWC")
    grid = inputs.reshape(len(inputs), *(sides[axis] for axis in order))
    scale = np.float32(abs(spec.scale))
    grid = grid.transpose(0, *(1 + order.index(axis) for axis in "HWC")) / scale
    if spec.height <= _SIDE and spec.width <= _SIDE:
        return grid.reshape(len(grid), -1), np.zeros(len(grid), np.float32)
    sums = np.add.reduceat(grid, _edges(spec.height), axis=1)
    sums = np.add.reduceat(sums, _edges(spec.width), axis=2).reshape(len(grid), -1)
    high, wide = (np.diff(_edges(side), append=side) for side in (spec.height, spec.width))
    sizes = np.repeat(np.outer(high, wide).reshape(-1), spec.channels).astype(np.float32)
    vectors: Floats = (sums / np.sqrt(sizes)).astype(np.float32, copy=False)
    detail = (grid.reshape(len(grid), -1) ** 2).sum(axis=1) - (vectors**2).sum(axis=1)
    return vectors, np.maximum(detail, 0)


def _edges(side: int) -> NDArray[np.intp]:
    """Where the blocks of a side begin."""
    count = min(side, _SIDE)
    return np.arange(count) * side // count
