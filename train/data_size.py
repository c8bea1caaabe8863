"""How much data there is to train on."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class DataSize(NamedTuple):
    """The number of images, in all and of the rarest class.

    Some parameters cannot exceed the data: folds of a calibration, neighbors, images in a leaf. A
    recipe is built for a data size. Estimators of our own that adapt themselves could neither be
    sent to a cluster nor be loaded without Pupila.
    """

    images: int
    rarest: int

    @classmethod
    def of(cls, targets: NDArray[Any]) -> Self:
        """The size of data with the labels ``targets``, [N]."""
        counts = np.unique(targets, return_counts=True)[1]
        return cls(int(counts.sum()), int(counts.min()))

    def in_fold(self, folds: int) -> "DataSize":
        """The smallest training set in a cross-validation with stratified folds."""
        return DataSize(
            self.images - -(-self.images // folds), self.rarest - -(-self.rarest // folds)
        )


UNLIMITED = DataSize(images=1_000_000, rarest=100_000)
"""So much that no parameter is limited."""


@contextlib.contextmanager
def few_images_are_no_regression() -> Iterator[None]:
    """Without what scikit-learn warns of where most classes have one image to train on."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes is greater")
        yield
