"""Photos of the same scene: a burst, or one file saved twice.

On both sides of a split they make a version look better than it is, since it has seen what it is
tested on: Barz and Denzler, Do We Train on Test Data? (Journal of Imaging 6, 2020). Two photos are
near each other if their embeddings point in nearly the same direction, as compared with any two of
the data: the photos of a camera that never moves are all alike, and are not one scene.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from train.dataset import Dataset
from train.sides import united

SHARE: Final = 0.1
"""Of the usual distance of two photos, up to which they are of the same scene."""
MOST: Final = 0.1
"""Of a group, as a share of all photos: a larger one is no burst, but how all photos are."""

_BURST: Final = 10
_SAMPLED: Final = 500
_CHUNK: Final = 512


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """``groups``: int64 [N], equal for photos of the same scene; ``photos``: how many have
    another."""

    groups: NDArray[np.int64]
    photos: int

    @classmethod
    def of(cls, embeddings: NDArray[np.float32]) -> Self:
        """Of float32 [N, D]; none where groups would be too large to be bursts."""
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        units = embeddings / np.maximum(lengths, np.float32(1e-12))
        groups = np.arange(len(units))
        limit = SHARE * _usual(units)
        for start in range(0, len(units), _CHUNK):
            near = 1 - units[start : start + _CHUNK] @ units.T <= limit
            for row, column in zip(*np.nonzero(np.triu(near, start + 1)), strict=True):
                _join(groups, start + int(row), int(column))
        roots = np.array([_root(groups, row) for row in range(len(groups))], np.int64)
        _, found, sizes = np.unique(roots, return_inverse=True, return_counts=True)
        if len(sizes) and sizes.max() > max(_BURST, MOST * len(units)):
            return cls(np.arange(len(units)), 0)
        return cls(found.astype(np.int64), int(sizes[sizes > 1].sum()))

    def applied(self, dataset: Dataset) -> NDArray[np.str_] | None:
        """str [N], the groups of the data and these together; None if there are neither."""
        if not self.photos:
            return dataset.groups
        groups = self.groups
        if dataset.groups is not None:
            own = np.unique(dataset.groups, return_inverse=True)[1].astype(np.int64)
            groups = united(own, groups)
        return np.array([str(group) for group in groups.tolist()])


def _usual(units: NDArray[np.float32]) -> float:
    """The median distance of two of some, 1 - cosine."""
    some = units[np.random.default_rng(0).permutation(len(units))[:_SAMPLED]]
    distances = 1 - some @ some.T
    return float(np.median(distances[np.triu_indices(len(some), 1)])) if len(some) > 1 else 0.0


def _root(groups: NDArray[np.int64], row: int) -> int:
    while groups[row] != row:
        groups[row] = groups[groups[row]]
        row = int(groups[row])
    return row


def _join(groups: NDArray[np.int64], first: int, second: int) -> None:
    one, other = _root(groups, first), _root(groups, second)
    groups[max(one, other)] = min(one, other)
