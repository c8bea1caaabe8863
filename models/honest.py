"""What a version can say of its own answers: prediction sets, and whether an image is known.

Made of the images that were held out, once, and kept in a file of the version; see
architecture/0021-honest.md. Serving reads it when it is asked first.
"""

import io
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from errors import ArtifactError
from models.artifact import Artifact
from models.coverage import STATED, Coverage
from models.familiarity import SHARES, Familiarity, width
from models.manifest import Honesty, Manifest

HONEST: Final = "honest.npz"


@dataclass(frozen=True, eq=False)
class Honest:
    """``coverage``: None for a version without probabilities; ``familiarity``: None where its
    training images are not known."""

    coverage: Coverage | None
    familiarity: Familiarity | None

    @classmethod
    def load(cls, artifact: Artifact) -> Self | None:
        """None for a version that has nothing of it.

        Raises ArtifactError if its file was altered, or its arrays have other shapes or types.
        """
        manifest = artifact.manifest
        if HONEST not in manifest.files:
            return None
        arrays = artifact.arrays(HONEST)
        for name, (dtype, shape) in _shapes(manifest, arrays).items():
            array = arrays[name]
            if array.dtype != dtype or array.shape != shape or not np.isfinite(array).all():
                raise ArtifactError(
                    f"{HONEST} of {artifact.path.name} has {name} as {array.dtype} "
                    f"{list(array.shape)} instead of {np.dtype(dtype)} {list(shape)}."
                )
        familiarity = None
        if {"neighbours", "distances"} <= arrays.keys():
            spec = _space(manifest)
            familiarity = Familiarity(arrays["neighbours"], arrays["distances"], spec)
        coverage = Coverage(arrays["scores"]) if "scores" in arrays else None
        return cls(coverage, familiarity)

    def dump(self) -> bytes:
        """The ``.npz`` file that ``load`` reads."""
        arrays: dict[str, NDArray[Any]] = {}
        if self.coverage is not None:
            arrays["scores"] = self.coverage.scores
        if self.familiarity is not None:
            arrays["neighbours"] = self.familiarity.neighbours
            arrays["distances"] = self.familiarity.distances
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @property
    def record(self) -> Honesty:
        """What the manifest says of it."""
        coverage, familiarity = self.coverage, self.familiarity
        thresholds = {} if coverage is None else {c: coverage.threshold(c) for c in STATED}
        limits = {} if familiarity is None else {s: familiarity.limit(s) for s in SHARES}
        return Honesty(
            images=0 if coverage is None else len(coverage.scores),
            thresholds={f"{c:.2f}": 1 - t for c, t in thresholds.items() if t is not None},
            compares=None
            if familiarity is None
            else ("embedding" if familiarity.spec is None else "pixels"),
            compared=0 if familiarity is None else len(familiarity.distances),
            neighbours=0 if familiarity is None else len(familiarity.neighbours),
            limits={f"{s:.2f}": limit for s, limit in limits.items() if limit is not None},
        )


def _space(manifest: Manifest) -> Any:
    return manifest.image_spec if manifest.extractor is None else None


def _shapes(
    manifest: Manifest, arrays: dict[str, NDArray[Any]]
) -> dict[str, tuple[type, tuple[int, ...]]]:
    """The expected type and shape of each array that is there."""
    reference = manifest.extractor
    inputs = 0 if reference is None else reference.dimension

    def rows(name: str) -> int:
        return len(arrays[name]) if arrays[name].ndim else 0

    expected: dict[str, tuple[type, tuple[int, ...]]] = {}
    for name in arrays.keys() & {"scores", "distances"}:
        expected[name] = (np.float32, (max(1, rows(name)),))
    if "neighbours" in arrays:
        shape = (max(1, rows("neighbours")), width(_space(manifest), inputs))
        expected["neighbours"] = (np.float16, shape)
    return expected
