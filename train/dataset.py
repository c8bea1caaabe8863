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
from models.pixels import Pixels, chunks, taken
from models.spill import Content
from train.sides import by_class, by_group, copied, united

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
    bytes of a file that is smaller than its pixels, else None; ``where``: how a person finds each;
    ``held``: bool [N], whether it is held out, if the data say so; ``groups``: str [N], of which
    none is split; ``copies``: int64 [N], equal for equal images, None if all differ; ``notes``:
    sentences on what was taken and what was left out; ``embeddings``: float32 [N, dimension], by
    the extractor of the training, if there is one.
    """

    pixels: Pixels
    targets: NDArray[np.int64] | NDArray[np.str_]
    name: str
    spec: ImageSpec
    skipped: tuple[Skipped, ...] = ()
    sizes: NDArray[np.int64] | None = None
    files: tuple[Content | None, ...] | None = None
    where: tuple[str, ...] | None = None
    held: NDArray[np.bool_] | None = None
    groups: NDArray[np.str_] | None = None
    copies: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()
    embeddings: NDArray[np.float32] | None = None

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
        for chunk in chunks(self.pixels):
            digest.update(chunk.data)
        digest.update("\0".join(map(str, self.targets.tolist())).encode())
        return digest.hexdigest()

    def features(self) -> NDArray[np.float32]:
        """float32 [N, n_inputs], what the classifier takes: embeddings, or the image spec's
        features, as serving computes them."""
        return self.spec.features(self.pixels[:]) if self.embeddings is None else self.embeddings

    def take(self, rows: NDArray[np.int64]) -> "Dataset":
        """A dataset of the given rows; what is on disk stays there."""
        return Dataset(
            taken(self.pixels, rows),
            self.targets[rows],
            self.name,
            self.spec,
            sizes=None if self.sizes is None else self.sizes[rows],
            files=None if self.files is None else tuple(self.files[row] for row in rows),
            where=None if self.where is None else tuple(self.where[row] for row in rows),
            groups=None if self.groups is None else self.groups[rows],
            copies=None if self.copies is None else self.copies[rows],
            embeddings=None if self.embeddings is None else self.embeddings[rows],
        )


@dataclass(frozen=True)
class Split:
    """Two parts without a common image.

    Every class is in both, unless its images are all of one group or copies of each other.
    """

    train: Dataset
    holdout: Dataset


def split(dataset: Dataset, holdout: float, seed: int) -> Split:
    """The split that the data give, or else a proportion of each class held out; the same seed
    holds out the same images.

    Of equal images none is held out if another is trained on. Groups are on one side. Raises
    DatasetError for a proportion outside 0 < holdout < 1, a class with a single image, or a side
    without an image.
    """
    if not 0 < holdout < 1:
        raise DatasetError(
            f"The holdout must be a proportion between 0 and 1, such as 0.2, not {holdout}."
        )
    if dataset.held is not None:
        return _given(dataset, dataset.held)
    for label, count in zip(dataset.labels, np.bincount(dataset.indices), strict=True):
        if count < 2:
            raise DatasetError(
                f"Class {label!r} of {dataset.name} has a single image, but needs at least two: "
                "one to train on and one to hold out."
            )
    rng = np.random.default_rng(seed)
    if dataset.groups is None:
        held = by_class(dataset.indices, holdout, rng)
        if dataset.copies is not None:
            held[copied(held, dataset.copies)] = False
    else:
        groups = np.unique(dataset.groups, return_inverse=True)[1].astype(np.int64)
        if dataset.copies is not None:
            groups = united(groups, dataset.copies)
        held = by_group(dataset.indices, groups, holdout, rng)
    if not held.any():
        raise DatasetError(
            f"No image of {dataset.name} can be held out, since each has a copy that would be "
            "trained on: add others."
        )
    return _parts(dataset, held)


def _given(dataset: Dataset, held: NDArray[np.bool_]) -> Split:
    """Without held-out images that are trained on, too, or of classes that are not."""
    known = np.isin(dataset.indices, dataset.indices[~held])
    usable = held & known
    if dataset.copies is not None:
        usable &= ~copied(held, dataset.copies)
    if held.all() or not usable.any():
        side = "train on" if held.all() else "hold out"
        raise DatasetError(
            f"The parts of {dataset.name} leave no image to {side} that the other part does not "
            "have, too: check what is in them, or join them and let --holdout split them."
        )
    kept = np.flatnonzero(~held | usable)
    return _parts(dataset.take(kept), held[kept])


def _parts(dataset: Dataset, held: NDArray[np.bool_]) -> Split:
    return Split(
        train=dataset.take(np.flatnonzero(~held)), holdout=dataset.take(np.flatnonzero(held))
    )
