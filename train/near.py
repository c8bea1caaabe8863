"""Which photos of a dataset are of the same scene, all of them at once.

Two are, if they are near each other by ``models.offline.photo_likeness``, and so is what is near to
one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from models.offline.photo_likeness import directions, parts_of, scene_limit

LOOSE: Final = 0.1
"""Of a group, as a share of all photos: in a larger one, all must be near to a single one, since a
chain of photos that are near to the next may lead anywhere."""

_BURST: Final = 10
_CHUNK: Final = 512


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
        units = directions(embeddings)
        total, limit = len(units), scene_limit(units)
        groups, counts = np.arange(total), np.zeros(total, np.int64)
        for start in range(0, total, _CHUNK):
            notify(start, total)
            near = 1 - units[start : start + _CHUNK] @ units.T <= limit
            counts[start : start + _CHUNK] = near.sum(axis=1)
            groups = _joined(groups, start, near)
        sizes = np.bincount(groups, minlength=1)
        for group in np.flatnonzero(sizes > max(_BURST, LOOSE * total)):
            rows = np.flatnonzero(groups == group)
            for part in parts_of(units, rows[np.argsort(-counts[rows], kind="stable")], limit)[1:]:
                groups[part] = groups.max() + 1
        notify(total, total)
        _, found, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        return cls(found.astype(np.int64), int(sizes[sizes > 1].sum()))


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
