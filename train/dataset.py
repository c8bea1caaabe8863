"""Labeled images as arrays, and their split into a training set and a holdout."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from errors import DatasetError
from images.spec import ImageSpec
from models.manifest import Label

OnProgress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True)
class Skipped:
    """A file that was left out of the dataset, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and their labels, in a fixed order.

    ``pixels``: uint8 [N, n_features], row by row, channels last; ``targets``: int64 or str [N];
    ``sizes``: int64 [N, 2], the width and height that each file declares, if known; ``files``: the
    bytes of a file that is smaller than its pixels, else None.
    """

    pixels: NDArray[np.uint8]
    targets: NDArray[np.int64] | NDArray[np.str_]
    name: str
    spec: ImageSpec
    skipped: tuple[Skipped, ...] = ()
    sizes: NDArray[np.int64] | None = None
    files: tuple[bytes | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """The distinct labels, in the order of scikit-learn's ``classes_``."""
        return tuple(np.unique(self.targets).tolist())

    @cached_property
    def indices(self) -> NDArray[np.int64]:
        """int64 [N]: the targets as indices into ``labels``."""
        return np.unique(self.targets, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of images of each label."""
        counts = np.bincount(self.indices, minlength=len(self.labels)).tolist()
        return {str(label): count for label, count in zip(self.labels, counts, strict=True)}

    @cached_property
    def sha256(self) -> str:
        """Over the shape, the pixels and the labels, in order."""
        digest = hashlib.sha256(f"{self.pixels.shape} {self.targets.dtype.kind}\n".encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        digest.update("\0".join(map(str, self.targets.tolist())).encode())
        return digest.hexdigest()

    def features(self) -> NDArray[np.float32]:
        """float32 [N, n_features], as serving computes them."""
        return self.spec.features(self.pixels)

    def take(self, rows: NDArray[np.int64]) -> "Dataset":
        """A dataset of the given rows."""
        sizes = None if self.sizes is None else self.sizes[rows]
        files = None if self.files is None else tuple(self.files[row] for row in rows)
        return Dataset(
            self.pixels[rows], self.targets[rows], self.name, self.spec, sizes=sizes, files=files
        )


@dataclass(frozen=True)
class Split:
    """Two parts without a common image, with every class in both."""

    train: Dataset
    holdout: Dataset


def split(dataset: Dataset, holdout: float, seed: int) -> Split:
    """Hold out a proportion of each class; the same seed holds out the same images.

    scikit-learn's stratified split drops a rare class from the smaller part. Here the number of
    images is rounded class by class, to at least one on each side. Raises DatasetError for a
    proportion outside 0 < holdout < 1, or a class with a single image.
    """
    if not 0 < holdout < 1:
        raise DatasetError(
            f"The holdout must be a proportion between 0 and 1, such as 0.2, not {holdout}."
        )
    rng = np.random.default_rng(seed)
    held = np.zeros(len(dataset), dtype=bool)
    for index, label in enumerate(dataset.labels):
        members = rng.permutation(np.flatnonzero(dataset.indices == index))
        if len(members) < 2:
            raise DatasetError(
                f"Class {label!r} of {dataset.name} has a single image, but needs at least two: "
                "one to train on and one to hold out."
            )
        held[members[: min(max(round(holdout * len(members)), 1), len(members) - 1)]] = True
    return Split(
        train=dataset.take(np.flatnonzero(~held)), holdout=dataset.take(np.flatnonzero(held))
    )
