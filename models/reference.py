"""The data a version was validated on, which ``monitor`` compares with production."""

import io
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from errors import ArtifactError
from images.spec import ImageSpec
from models.artifact import REFERENCE, Artifact
from models.manifest import Manifest
from models.neighbours import Neighbours
from models.small import small_spec

COMPONENTS = 20
"""Limit of the principal components."""

DIGEST_BYTES = 16


@dataclass(frozen=True, eq=False)
class Reference:
    """N held-out images in random order, the version's predictions for them, and statistics of its
    training data.

    ``pixels``: uint8 [N, F], in the image spec's size; ``labels``: int64 [N], true labels as
    indices into the manifest's; ``probabilities``: float32 [N, C]. The others are None in versions
    saved before they existed, and where they could not be computed:

    ``pca_mean``: float32 [F] and ``pca_components``: float32 [K, F] with K <= 20, orthonormal rows
    by decreasing variance, of a principal component analysis of the *training* features
    (``spec.features``): one fitted on the held-out images would fit them better than production's.
    ``halves``: float32 [2, N, C], the probabilities that ``Artifact.halves`` give these images.
    ``sizes``: int64 [M, 2], width and height in pixels that the training files declared.
    ``neighbours``: uint8 [T, G], small copies of training images, see ``models.neighbours``, and
    ``nearest``: float32 [U], the distance to the nearest of these of images that the version was
    not trained on, the held-out ones first; after them, if these were drawn at random, those of
    the neighbours to the nearest other.

    Of a version with an extractor, ``pixels`` are small copies (``seen_spec``), the principal
    components those of embeddings, and there are no neighbours: ``models.familiarity`` has some.
    ``embeddings``: float16 [N, dimension] of the held-out images; ``digests``: uint8 [N, 16], of
    their pixels at the extractor's size, as ``models.offline.comparison`` has them.

    ``drawn_from``: int64 [C], images of each class among all those that the held-out ones were
    drawn from; None if they were not drawn at random. Stored of a version with an extractor; else
    it is the manifest's.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    pca_mean: NDArray[np.float32] | None = None
    pca_components: NDArray[np.float32] | None = None
    halves: NDArray[np.float32] | None = None
    sizes: NDArray[np.int64] | None = None
    neighbours: NDArray[np.uint8] | None = None
    nearest: NDArray[np.float32] | None = None
    embeddings: NDArray[np.float16] | None = None
    digests: NDArray[np.uint8] | None = None
    drawn_from: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def load(cls, artifact: Artifact) -> Self | None:
        """The reference of a version, or None if it has none, like an imported pickle.

        Raises ArtifactError if its file was altered, or its arrays have other shapes or types.
        """
        if REFERENCE not in artifact.manifest.files:
            return None
        arrays = artifact.arrays(REFERENCE)
        shapes = _shapes(artifact.manifest, arrays)
        for name, (dtype, shape) in shapes.items():
            array = arrays.get(name)
            if array is None and name in _REQUIRED:
                raise ArtifactError(f"{REFERENCE} of {artifact.path.name} has no {name}.")
            if array is not None and (array.dtype != dtype or array.shape != shape):
                raise ArtifactError(
                    f"{REFERENCE} of {artifact.path.name} has {name} as {array.dtype} "
                    f"{list(array.shape)} instead of {np.dtype(dtype)} {list(shape)}."
                )
        fields: dict[str, Any] = {name: arrays.get(name) for name in shapes}
        if fields["drawn_from"] is None:
            fields["drawn_from"] = _drawn_from(artifact.manifest, arrays)
        return cls(**fields)

    def dump(self) -> bytes:
        """The ``.npz`` file that ``load`` reads."""
        arrays = {name: array for name, array in vars(self).items() if array is not None}
        if self.embeddings is None:
            arrays.pop("drawn_from", None)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()


def _drawn_from(manifest: Manifest, arrays: dict[str, NDArray[Any]]) -> NDArray[np.int64] | None:
    """A holdout was drawn at random where training images count as ones held out."""
    nearest = arrays.get("nearest")
    if manifest.data is None or nearest is None or len(nearest) <= len(arrays["pixels"]):
        return None
    counts = manifest.data.classes
    return np.array([counts.get(str(label), 0) for label in manifest.labels], np.int64)


_REQUIRED = ("pixels", "labels", "probabilities")


def seen_spec(manifest: Manifest) -> ImageSpec:
    """In which size the reference and the monitor have the images of a version."""
    spec = manifest.image_spec
    return spec if manifest.extractor is None else small_spec(spec)


def _shapes(
    manifest: Manifest, arrays: dict[str, NDArray[Any]]
) -> dict[str, tuple[type, tuple[int, ...]]]:
    """The expected type and shape of each array; numbers of rows are taken from the arrays."""

    def rows(name: str) -> int:
        array = arrays.get(name)
        return len(array) if array is not None and array.ndim else 0

    spec, classes, extractor = seen_spec(manifest), len(manifest.labels), manifest.extractor
    images = rows("pixels")
    features = spec.n_features if extractor is None else extractor.dimension
    return {
        "pixels": (np.uint8, (images, spec.n_features)),
        "labels": (np.int64, (images,)),
        "probabilities": (np.float32, (images, classes)),
        "pca_mean": (np.float32, (features,)),
        "pca_components": (np.float32, (rows("pca_components"), features)),
        "halves": (np.float32, (2, images, classes)),
        "sizes": (np.int64, (rows("sizes"), 2)),
        "neighbours": (np.uint8, (rows("neighbours"), Neighbours.features(spec))),
        "nearest": (np.float32, (rows("nearest"),)),
        "embeddings": (np.float16, (images, 0 if extractor is None else extractor.dimension)),
        "digests": (np.uint8, (images, DIGEST_BYTES)),
        "drawn_from": (np.int64, (classes,)),
    }
