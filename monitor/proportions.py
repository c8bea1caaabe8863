"""Proportions of weighted images, with their confidence intervals."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from models.manifest import Interval


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

    @property
    def variance(self) -> float:
        """Of the proportion as an estimate. Half an image is added to both sides, so that it is not
        0 for a few images: Agresti and Coull, The American Statistician 52 (1998)."""
        raised = (self.value * self.size + 0.5) / (self.size + 1)
        return raised * (1 - raised) / max(self.size, 1.0)


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
