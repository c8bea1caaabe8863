"""What the views compare: numbers of each image, in columns."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Columns:
    """N images as numbers.

    ``outputs``: float32 [N, C], the probabilities (or scores) of the classes; ``statistics``:
    float32 [N, S], see ``monitor.drift.statistics``; ``error``: float32 [N], the squared norm of
    what a projection on the principal components leaves of an image's features, or None where the
    reference has no components; ``strangeness``: float32 [N], how unlike the training images each
    is, or None where nothing is known of these. Of a reference, ``strangeness`` can have more rows
    than the rest: those of training images, compared with the others.
    """

    outputs: NDArray[np.float32]
    statistics: NDArray[np.float32]
    error: NDArray[np.float32] | None
    strangeness: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.outputs)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """int64 [N]: indices of the predicted classes."""
        return np.asarray(self.outputs.argmax(axis=1), np.int64)

    def counts(self) -> NDArray[np.int64]:
        """int64 [C]: how many images are predicted as each class."""
        return np.bincount(self.predicted, minlength=self.outputs.shape[1])

    def proportions(self) -> NDArray[np.float64]:
        """float64 [C]: of the images, those predicted as each class."""
        return self.counts() / len(self)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The given rows alone."""
        error = None if self.error is None else self.error[rows]
        strangeness = None if self.strangeness is None else self.strangeness[rows]
        return type(self)(self.outputs[rows], self.statistics[rows], error, strangeness)
