"""The data a version was validated on, as ``monitor`` compares production with it."""

import io
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from errors import ArtifactError
from models.artifact import REFERENCE, Artifact

COMPONENTS = 20
"""Of the principal component analysis: as many as there are, up to this."""


@dataclass(frozen=True, eq=False)
class Reference:
    """N held-out images in random order, what the version said of them, and what only its
    training data could tell.

    ``pixels``: uint8 [N, F], in the image spec's size; ``labels``: int64 [N], places in the
    manifest's labels; ``probabilities``: float32 [N, C]. What follows is None in versions that were
    saved before it was kept, or where it could not be made:

    ``pca_mean``: float32 [F] and ``pca_components``: float32 [K, F] with K <= 20, orthonormal rows
    by falling variance, of a principal component analysis of the *training* features
    (``spec.features``): fitted on the held-out images, it would know them better than production's.
    ``halves``: float32 [2, N, C], the probabilities that ``Artifact.halves`` give these images.
    ``sizes``: int64 [M, 2], width and height in pixels that the files of the data declared.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    pca_mean: NDArray[np.float32] | None = None
    pca_components: NDArray[np.float32] | None = None
    halves: NDArray[np.float32] | None = None
    sizes: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def load(cls, artifact: Artifact) -> Self | None:
        """The reference of a version, or None if it has none, as an imported pickle.

        Raises ArtifactError if its file is not what was saved, or of other shapes than above.
        """
        if REFERENCE not in artifact.manifest.files:
            return None
        arrays = artifact.arrays(REFERENCE)
        shapes = _shapes(
            artifact.manifest.image_spec.n_features, len(artifact.manifest.labels), arrays
        )
        for name, (dtype, shape) in shapes.items():
            array = arrays.get(name)
            if array is None and name in _ALWAYS:
                raise ArtifactError(f"{REFERENCE} of {artifact.path.name} has no {name}.")
            if array is not None and (array.dtype != dtype or array.shape != shape):
                raise ArtifactError(
                    f"{REFERENCE} of {artifact.path.name} has {name} as {array.dtype} "
                    f"{list(array.shape)}, and they should be {dtype} {list(shape)}."
                )
        known: dict[str, Any] = {name: arrays.get(name) for name in shapes}
        return cls(**known)

    def dump(self) -> bytes:
        """The ``.npz`` file that ``load`` reads."""
        arrays = {name: array for name, array in vars(self).items() if array is not None}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()


_ALWAYS = ("pixels", "labels", "probabilities")


def _shapes(
    features: int, classes: int, arrays: dict[str, NDArray[Any]]
) -> dict[str, tuple[type, tuple[int, ...]]]:
    """What each array should be, as far as the numbers of rows are found in the arrays."""

    def rows(name: str) -> int:
        array = arrays.get(name)
        return len(array) if array is not None and array.ndim else 0

    images = rows("pixels")
    return {
        "pixels": (np.uint8, (images, features)),
        "labels": (np.int64, (images,)),
        "probabilities": (np.float32, (images, classes)),
        "pca_mean": (np.float32, (features,)),
        "pca_components": (np.float32, (rows("pca_components"), features)),
        "halves": (np.float32, (2, images, classes)),
        "sizes": (np.int64, (rows("sizes"), 2)),
    }
