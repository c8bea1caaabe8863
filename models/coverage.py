"""Prediction sets: the labels of which one is right with a probability that can be promised.

Split conformal prediction with the score "one minus the probability of the right label" (LAC):
Sadinle, Lei and Wasserman, Least Ambiguous Set-Valued Classifiers with Bounded Error Levels, JASA
114 (2019), https://arxiv.org/abs/1609.00451; its guarantee: Vovk, Gammerman and Shafer, Algorithmic
Learning in a Random World (2005), and Angelopoulos and Bates, A Gentle Introduction to Conformal
Prediction (2021), https://arxiv.org/abs/2107.07511, sections 1 and 3.2.

Where many held-out images have the very score that is the threshold, as with nearest neighbors,
whose probabilities take few values, all labels with this score would be more than was asked for. As
many of them are taken as the coverage needs, by a number that is made of the image: the smoothed
conformal predictor of Vovk, Gammerman and Shafer (2005), section 2.2, which is exact.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

STATED: Final = (0.90, 0.95, 0.99)
"""Coverages of which the manifest has the thresholds; any other can be asked for too."""

MAX_SCORES: Final = 5_000
"""Held-out images that are kept, at most: they state coverages up to 0.9998."""

# What 0.95 is not exactly, times the number of images.
_ROUNDING: Final = 1e-9

# Scores this near are one: a graph and its original differ by some 1e-7.
_TIED: Final = 1e-6

# How often ``chance_of`` goes from 0 to 1 while its projection grows by 1. Inputs that differ by a
# millionth, as embeddings that were made in batches of other sizes, differ by a thousandth of it.
_TURNS: Final = 1_000


def chance_of(inputs: NDArray[np.float32]) -> float:
    """A number from 0 to 1 that looks random, and is the same for the same image, whoever asks.

    ``inputs``: float32 [F], what the classifier takes. No hash of its bytes, since two processors
    embed the same photo a little differently.
    """
    exact = inputs.astype(np.float64)
    # No two of these are alike, and no sum of some of them is that of others.
    projected = float(exact @ np.cos(np.arange(1, len(exact) + 1)))
    length = float(np.linalg.norm(exact)) or 1.0
    return _TURNS * projected / length % 1.0


def most(images: int) -> float:
    """The highest coverage that so many held-out images can state."""
    return images / (images + 1)


def rank(images: int, coverage: float) -> int | None:
    """Which of the held-out images' scores, in ascending order and from 1 on, is the threshold;
    None if there are too few of them for this coverage."""
    found = max(1, math.ceil((images + 1) * coverage - _ROUNDING))
    return found if found <= images else None


def needed(coverage: float) -> int:
    """How many held-out images a coverage needs."""
    return max(1, math.ceil(coverage / (1 - coverage) - _ROUNDING))


@dataclass(frozen=True, eq=False)
class Coverage:
    """``scores``: float32 [n], of held-out images, one minus the probability that the version gave
    the right label, in ascending order."""

    scores: NDArray[np.float32]

    @classmethod
    def of(cls, probabilities: NDArray[np.float32], truth: NDArray[np.int64]) -> Self:
        """``probabilities``: float32 [n, C], of held-out images in random order; ``truth``: int64
        [n], indices of their labels."""
        right = probabilities[np.arange(len(truth)), truth][:MAX_SCORES]
        return cls(np.sort(1 - right.astype(np.float32)))

    def threshold(self, coverage: float) -> float | None:
        """The largest score of a label that is in the set, from 0 to 1; None if the held-out
        images are too few."""
        found = rank(len(self.scores), coverage)
        return None if found is None else float(self.scores[found - 1])

    def labels(
        self, probabilities: NDArray[np.float32], coverage: float, chance: float = 0.0
    ) -> list[int] | None:
        """Indices of the labels in the set of one image, the most probable first.

        ``probabilities``: float32 [C]; ``chance``: that of the image, from 0 to 1, which decides
        about labels that are tied at the threshold: with 0, all of them are in. The set is empty
        where no label is as probable as the right one of most images is: the version is right more
        often than ``coverage``, and such images are the others. None if the held-out images are too
        few.
        """
        place = rank(len(self.scores), coverage)
        if place is None:
            return None
        limit = float(self.scores[place - 1])
        below, upto = np.searchsorted(self.scores, (limit - _TIED, limit + _TIED)).tolist()
        tied = upto - below
        # Were each of the tied given a random number too, this is what the one at the threshold
        # has on average.
        taken = tied < 2 or chance <= (place - below) / (tied + 1)
        most_allowed = limit + _TIED if taken else limit - _TIED
        within = np.flatnonzero(1 - probabilities.astype(np.float64) < most_allowed)
        order = np.argsort(-probabilities[within], kind="stable")
        return [int(index) for index in within[order]]
