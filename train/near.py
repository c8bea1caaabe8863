"""Photos of the same scene: a burst, or one file saved twice.

On both sides of a split they make a version look better than it is, since it has seen what it is
tested on: Barz and Denzler, Do We Train on Test Data? (Journal of Imaging 6, 2020). Two photos are
near each other if their embeddings point in nearly the same direction, as compared with those that
are far apart in the data: the photos of a camera that never moves are all alike, and are not one
scene.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

SHARE: Final = 0.1
"""Of the distance of photos that are far apart, up to which two are of the same scene. In bursts it
is 0.08 at most from the first to the last; of 626 photos of different things, two were nearer."""
FAR: Final = 0.9
"""The quantile of all distances that is far apart: a scene may be most of the photos, and the
median would then be a distance within it."""
LOOSE: Final = 0.1
"""Of a group, as a share of all photos: in a larger one, all must be near to a single one, since a
chain of photos that are near to the next may lead anywhere."""

_BURST: Final = 10
_SAMPLED: Final = 500
_CHUNK: Final = 512
# Of 1 - cosine in float32, for equal photos.
_ROUNDING: Final = 3e-7


@dataclass(frozen=True, eq=False)
class NearDuplicates:
    """``groups``: int64 [N], equal for photos of the same scene; ``photos``: how many have
    another."""

    groups: NDArray[np.int64]
    photos: int

    @classmethod
    def of(
        cls,
        embeddings: NDArray[np.float32],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Of float32 [N, D]. ``on_progress``: called with (done, total)."""
        notify = on_progress or (lambda _done, _total: None)
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        units = embeddings / np.maximum(lengths, np.float32(1e-12))
        total, limit = len(units), max(SHARE * _far(units), _ROUNDING)
        groups, counts = np.arange(total), np.zeros(total, np.int64)
        for start in range(0, total, _CHUNK):
            notify(start, total)
            near = 1 - units[start : start + _CHUNK] @ units.T <= limit
            counts[start : start + _CHUNK] = near.sum(axis=1)
            groups = _joined(groups, start, near)
        sizes = np.bincount(groups, minlength=1)
        for group in np.flatnonzero(sizes > max(_BURST, LOOSE * total)):
            rows = np.flatnonzero(groups == group)
            for part in _parts(units, rows[np.argsort(-counts[rows], kind="stable")], limit)[1:]:
                groups[part] = groups.max() + 1
        notify(total, total)
        _, found, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        return cls(found.astype(np.int64), int(sizes[sizes > 1].sum()))


def _far(units: NDArray[np.float32]) -> float:
    """The distance, 1 - cosine, of two of some that are far apart."""
    some = units[np.random.default_rng(0).permutation(len(units))[:_SAMPLED]]
    distances = (1 - some @ some.T)[np.triu_indices(len(some), 1)]
    return float(np.quantile(distances, FAR)) if len(distances) else 0.0


def _joined(groups: NDArray[np.int64], start: int, near: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The groups, of which those with photos near each other are one; ``near``: bool [M, N], of the
    rows from ``start`` on."""
    # Between groups, and each edge once: of photos, a scene of thousands has millions.
    rows, columns = np.nonzero(near & (groups[start : start + len(near), None] != groups))
    edges = np.unique(groups[rows + start] * len(groups) + groups[columns])
    ends = edges // len(groups), edges % len(groups)
    shape = (len(groups), len(groups))
    graph = csr_array((np.ones(len(edges), np.int8), ends), shape=shape)
    return connected_components(graph, directed=False)[1][groups].astype(np.int64)


def _parts(
    units: NDArray[np.float32], rows: NDArray[np.int64], limit: float
) -> list[NDArray[np.int64]]:
    """Rows that are all near to the first of their part, of which the others are left."""
    found = []
    while len(rows):
        near = 1 - units[rows] @ units[rows[0]] <= limit
        near[0] = True
        found.append(rows[near])
        rows = rows[~near]
    return found
