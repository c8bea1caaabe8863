"""Photos of the same scene: a burst, or one file saved twice.

On both sides of a split they make a version look better than it is, since it has seen what it is
tested on: Barz and Denzler, Do We Train on Test Data? (Journal of Imaging 6, 2020). Two photos are
near each other if their embeddings point in nearly the same direction, as compared with those that
are far apart in the data: the photos of a camera that never moves are all alike, and are not one
scene.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from models.embedding_cache import Remembered
from models.extractor import Extractor
from models.offline.embeddings import embeddings_of
from models.offline.likeness import Likeness
from models.pixels import Pixels

SHARE: Final = 0.15
"""Of the distance of photos that are far apart, up to which two are of the same scene: see
bench/photo_scenes.md."""
FAR: Final = 0.9
"""The quantile of all distances that is far apart: a scene may be most of the photos, and the
median would then be a distance within it."""
MOST: Final = 2 / 3
"""Of a class that may be one scene: of a larger one, its others could not be held out without
all that is different."""
STRAY: Final = 0.05
"""Of the held-out photos, how many may be near to one that was trained on by chance."""

_SAMPLED: Final = 500
_CHUNK: Final = 512
# Of 1 - cosine in float32, for equal photos.
_ROUNDING: Final = 3e-7


def directions(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [N, D] of float32 [N, D]: of length 1, so that 1 - cosine is 1 less their product."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    units: NDArray[np.float32] = embeddings / np.maximum(lengths, np.float32(1e-12))
    return units


def scene_limit(units: NDArray[np.float32]) -> float:
    """The distance, 1 - cosine, up to which two photos are of one scene, of float32 [N, D]."""
    some = units[np.random.default_rng(0).permutation(len(units))[:_SAMPLED]]
    distances = (1 - some @ some.T)[np.triu_indices(len(some), 1)]
    far = float(np.quantile(distances, FAR)) if len(distances) else 0.0
    return max(SHARE * far, _ROUNDING)


def parts_of(
    units: NDArray[np.float32], rows: NDArray[np.int64], limit: float
) -> list[NDArray[np.int64]]:
    """The ``rows`` of float32 [N, D], in parts that are all near to their first: a chain of photos
    that are near to the next may lead anywhere."""
    found = []
    while len(rows):
        near = 1 - units[rows] @ units[rows[0]] <= limit
        near[0] = True
        found.append(rows[near])
        rows = rows[~near]
    return found


def scenes_of(embeddings: NDArray[np.float32], indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [N], equal for photos of one scene, of float32 [N, D] and the indices of their labels,
    int64 [N].

    Where most photos are of scenes that are about all of their class, as of a camera that never
    moves, these are none: as many scenes as classes could tell no version from another.
    """
    units = directions(embeddings)
    found = np.arange(len(units))
    for part in parts_of(units, found.copy(), scene_limit(units)):
        found[part] = part[0]
    alike = np.bincount(found, minlength=len(found))[found] > 1
    torn = dominating(found, indices) & alike
    if 2 * torn.sum() > len(found):
        # Numbers of their own, after those of the scenes.
        found = np.where(torn, len(found) + np.arange(len(found)), found)
    return found


def dominating(groups: NDArray[np.int64], indices: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool [N], whether a photo's group has more than ``MOST`` of a class."""
    classes = int(indices.max(initial=0)) + 1
    pairs, counts = np.unique(groups * classes + indices, return_counts=True)
    large = counts > MOST * np.bincount(indices)[pairs % classes]
    return np.isin(groups, pairs[large] // classes)


@dataclass(frozen=True)
class PhotoLikeness(Likeness):
    """By thumbnails, or by embeddings: a burst moves too much for the one, and the other is off by
    what JPEG at a low quality leaves. ``scene``: 1 - cosine, up to which photos are alike;
    ``known``: embeddings of ``extractor``."""

    extractor: Extractor
    scene: float
    known: Remembered

    @classmethod
    def between(cls, trained: Pixels, held: Pixels, extractor: Extractor) -> Self:
        """As far as a version's own split tells scenes apart: what it holds out, uint8 [M, F], is
        of other scenes than what it was ``trained`` on, uint8 [N, F]. Where these are near each
        other nevertheless, as of a camera that never moves, embeddings tell no scenes apart.

        Raises ArtifactError if the extractor cannot be used.
        """
        spec = extractor.manifest.image_spec
        known = Remembered(extractor)
        apart, rest = (_directions(part, extractor, known) for part in (held, trained))
        limit = scene_limit(np.concatenate([apart, rest]))
        if len(apart) and len(rest):
            limit = min(limit, float(np.quantile(_nearest(apart, rest), STRAY)))
        small = Likeness.of(held if len(held) else trained, spec)
        return cls(spec, small.limit, extractor, limit, known)

    def among(self, pixels: Pixels, others: Pixels) -> NDArray[np.bool_]:
        found = super().among(pixels, others)
        if not len(pixels) or not len(others):
            return found
        near = _nearest(self._directions(pixels), self._directions(others)) < self.scene
        return found | near

    def earlier(self, pixels: Pixels) -> NDArray[np.int64]:
        first = super().earlier(pixels)
        units = self._directions(pixels)
        for start in range(0, len(units), _CHUNK):
            rows = units[start : start + _CHUNK]
            near = 1 - rows @ units[: start + len(rows)].T < self.scene
            near = np.tril(near, start - 1)
            some = np.flatnonzero(near.any(axis=1))
            at = near.argmax(axis=1)[some]
            known = first[start + some]
            first[start + some] = np.where(known < 0, at, np.minimum(known, at))
        return first

    def _directions(self, pixels: Pixels) -> NDArray[np.float32]:
        return _directions(pixels, self.extractor, self.known)


def _directions(pixels: Pixels, extractor: Extractor, known: Remembered) -> NDArray[np.float32]:
    known.refresh()
    return directions(embeddings_of(pixels, extractor, known))


def _nearest(units: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [N], 1 - cosine to the nearest; ``units``: float32 [N, D], ``others``: [M, D]."""
    found = np.empty(len(units), np.float32)
    for start in range(0, len(units), _CHUNK):
        rows = units[start : start + _CHUNK]
        found[start : start + len(rows)] = 1 - (rows @ others.T).max(axis=1)
    return found
