"""Proportions of weighted images, with their confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from models.manifest import Interval

Stratum = tuple[NDArray[np.bool_], float, NDArray[np.float64]]
"""A part of a whole: its members, bool [N], its share of the whole, and float64 [N], how many
images each stands for."""


@dataclass(frozen=True)
class Proportion:
    """``value``, from 0 to 1, of ``size`` images; with weights, ``size`` is not a whole number."""

    value: float
    size: float

    @classmethod
    def of(cls, mask: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> Self:
        """The proportion of True in ``mask``, bool [N]; ``weights``: float64 [N], above 0.

        With weights, ``size`` is Kish's effective sample size, (sum w)² / sum w²: Survey Sampling
        (1965), section 11.7. Without images, value and size are 0.
        """
        if not mask.size:
            return cls(0.0, 0.0)
        if weights is None:
            return cls(float(mask.mean()), float(mask.size))
        total = float(weights.sum())
        return cls(float(weights[mask].sum()) / total, total**2 / float((weights**2).sum()))

    def interval(self, level: float = 0.95) -> Interval:
        """The score interval of Wilson, JASA 22 (1927), pages 209 to 212; 0 to 1 without images."""
        if not self.size:
            return Interval(value=self.value, low=0.0, high=1.0)
        z2 = float(norm.isf((1 - level) / 2)) ** 2
        middle = (self.value + z2 / (2 * self.size)) / (1 + z2 / self.size)
        spread = self.value * (1 - self.value) / self.size + z2 / (4 * self.size**2)
        half = float(np.sqrt(z2 * spread)) / (1 + z2 / self.size)
        low, high = max(0.0, middle - half), min(1.0, middle + half)
        # Rounding can put a bound on the wrong side of a proportion of 0 or 1.
        return Interval(value=self.value, low=min(low, self.value), high=max(high, self.value))

    def cautious(self, level: float = 0.95) -> Interval:
        """The interval of Agresti and Coull, The American Statistician 52 (1998): it contains
        Wilson's, whose coverage falls to 0.85 where nearly all of a few images are right."""
        if not self.size:
            return Interval(value=self.value, low=0.0, high=1.0)
        z2 = float(norm.isf((1 - level) / 2)) ** 2
        size = self.size + z2
        middle = (self.value * self.size + z2 / 2) / size
        half = float(np.sqrt(z2 * middle * (1 - middle) / size))
        low, high = max(0.0, middle - half), min(1.0, middle + half)
        return Interval(value=self.value, low=min(low, self.value), high=max(high, self.value))

    @property
    def variance(self) -> float:
        """Of the proportion as an estimate. Half an image is added to both sides, so that it is not
        0 for a few images: Agresti and Coull, The American Statistician 52 (1998)."""
        raised = (self.value * self.size + 0.5) / (self.size + 1)
        return raised * (1 - raised) / max(self.size, 1.0)


@dataclass(frozen=True)
class Stratified(Proportion):
    """A proportion of a whole of which parts were drawn from with different probabilities.

    ``parts``: of each the share of the whole, and the proportion in what was drawn from it;
    ``counted``: the images that the shares were counted on.
    """

    parts: tuple[tuple[float, Proportion], ...] = ()
    counted: float = np.inf

    @classmethod
    def over(
        cls, mask: NDArray[np.bool_], strata: Sequence[Stratum], counted: float = np.inf
    ) -> Self:
        """The proportion of True in ``mask``, bool [N], by post-stratification (Holt and Smith,
        Journal of the Royal Statistical Society A 142, 1979), with shares that are those of
        ``counted`` images.

        Of a stratum without images nothing is known: it gets the others' proportion, and an
        interval from 0 to 1. ``size`` is Kish's for the weights that this comes down to.
        """
        found = [
            (share, Proportion.of(mask[rows], weights[rows])) for rows, share, weights in strata
        ]
        drawn = [(share, part) for share, part in found if part.size]
        known = sum(share for share, _ in drawn)
        if not known:
            return cls(0.0, 0.0, ((1.0, Proportion(0.0, 0.0)),), counted)
        value = sum(share * part.value for share, part in drawn) / known
        spread = sum((share / known) ** 2 / part.size for share, part in drawn)
        parts = tuple(
            (share, part if part.size else Proportion(value, 0.0)) for share, part in found
        )
        return cls(value, 1 / spread, parts, counted)

    def interval(self, level: float = 0.95) -> Interval:
        """From the intervals of the parts, by their distances from the estimates: Zou, Huang and
        Zhang, A note on confidence interval estimation for a linear function of binomial
        proportions, Computational Statistics and Data Analysis 53 (2009), pages 1080 to 1085.

        The shares are those of a sample as well, which adds the variance between the parts: double
        sampling for stratification, Cochran, Sampling Techniques (1977), section 12.2. Without it
        the interval of a window of 100, all labelled, had the accuracy in 0.85 instead of 0.95."""
        z2 = float(norm.isf((1 - level) / 2)) ** 2
        between = sum(share * (part.value - self.value) ** 2 for share, part in self.parts)
        below = above = z2 * between / self.counted if self.size else 0.0
        for share, part in self.parts:
            inner = part.cautious(level)
            below += (share * (part.value - inner.low)) ** 2
            above += (share * (inner.high - part.value)) ** 2
        return Interval(
            value=self.value,
            low=max(0.0, self.value - float(np.sqrt(below))),
            high=min(1.0, self.value + float(np.sqrt(above))),
        )


def difference(first: Proportion, second: Proportion, level: float = 0.95) -> tuple[float, float]:
    """The confidence interval of ``first - second``, of independent images.

    Newcombe's method 10, from both Wilson intervals: Statistics in Medicine 17 (1998), pages 873
    to 890.
    """
    interval, other = first.interval(level), second.interval(level)
    gap = first.value - second.value
    below = np.hypot(first.value - interval.low, other.high - second.value)
    above = np.hypot(interval.high - first.value, second.value - other.low)
    return float(gap - below), float(gap + above)
