"""How often each class is predicted where nothing has changed, and how well that is known."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ClassMix:
    """``proportions``: float64 [C], of images predicted as each class; ``images``: float64 [C], how
    many images drawn at random would tell each as well."""

    proportions: NDArray[np.float64]
    images: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        predicted: NDArray[np.int64],
        classes: int,
        labels: NDArray[np.int64],
        drawn_from: NDArray[np.int64] | None = None,
    ) -> Self:
        """From what N held-out images were predicted as, int64 [N]; ``labels``: int64 [N], their
        true classes; ``drawn_from``: int64 [C], how many images of each class they were drawn from
        at random, if they were.

        How often a class occurs is then known as well as all those images tell, and only the
        mistakes as well as the held-out ones do: post-stratification (Cochran, Sampling Techniques,
        1977, section 5A.9). For the variance, each row of the confusion matrix gets one image more,
        spread over all classes, since no mistake among 36 images does not mean that there are none.
        Where a class has no image held out, they are counted as drawn from an endless number.
        """
        counts = np.bincount(predicted, minlength=classes)
        simple = cls(counts / max(1, len(predicted)), np.full(classes, float(len(predicted))))
        if drawn_from is None:
            return simple
        confusion = np.zeros((classes, classes))
        np.add.at(confusion, (labels, predicted), 1.0)
        held, everything = confusion.sum(axis=1), int(drawn_from.sum())
        if everything < len(labels) or ((held == 0) & (drawn_from > 0)).any():
            return simple
        share, once = drawn_from / everything, np.maximum(held, 1.0)
        proportions = share @ (confusion / once[:, None])
        rates = (confusion + 1 / classes) / (held + 1)[:, None]
        between = share @ rates**2 - (share @ rates) ** 2
        mistakes = (share**2 / once) @ (rates * (1 - rates))
        variance = np.maximum(0.0, between) / everything + mistakes
        worth = proportions * (1 - proportions) / variance
        return cls(proportions, np.clip(worth, len(labels), everything))

    def distances(self, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """float64 [C]: by how many standard errors a window's proportions differ from these;
        ``counts``: int64 [C], the images of the window predicted as each class."""
        images = int(counts.sum())
        pooled = (counts + self.images * self.proportions) / (images + self.images)
        error = np.sqrt(pooled * (1 - pooled) * (1 / images + 1 / self.images))
        apart = counts / images - self.proportions
        return np.divide(apart, error, out=np.zeros(len(counts)), where=error > 0)
