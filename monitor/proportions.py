"""Shares of images that count differently, with their intervals."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from models.manifest import Interval


@dataclass(frozen=True)
class Share:
    """``value``, from 0 to 1, of as many images as ``size``; not a whole number with weights."""

    value: float
    size: float

    @classmethod
    def of(cls, mask: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> Self:
        """The share of True in ``mask``, bool [N]; ``weights``: float64 [N], above 0.

        With weights the size is Kish's effective one, (sum w)² / sum w²: Survey Sampling (1965),
        section 11.7. Of no images the share is 0, and the size too.
        """
        if not mask.size:
            return cls(0.0, 0.0)
        if weights is None:
            return cls(float(mask.mean()), float(mask.size))
        total = float(weights.sum())
        return cls(float(weights[mask].sum()) / total, total**2 / float((weights**2).sum()))

    def interval(self, level: float = 0.95) -> Interval:
        """The score interval: Wilson, JASA 22 (1927), pages 209 to 212; 0 to 1 of no images."""
        if not self.size:
            return Interval(value=self.value, low=0.0, high=1.0)
        z2 = float(norm.isf((1 - level) / 2)) ** 2
        middle = (self.value + z2 / (2 * self.size)) / (1 + z2 / self.size)
        spread = self.value * (1 - self.value) / self.size + z2 / (4 * self.size**2)
        half = float(np.sqrt(z2 * spread)) / (1 + z2 / self.size)
        low, high = max(0.0, middle - half), min(1.0, middle + half)
        # Rounding may leave a bound on the wrong side of 0 or 1 of the share itself.
        return Interval(value=self.value, low=min(low, self.value), high=max(high, self.value))

    @property
    def variance(self) -> float:
        """Of the share as an estimate, with half an image added to both sides, so that no few
        images are taken for certainty: Agresti and Coull, The American Statistician 52 (1998)."""
        raised = (self.value * self.size + 0.5) / (self.size + 1)
        return raised * (1 - raised) / max(self.size, 1.0)


def difference(first: Share, second: Share, level: float = 0.95) -> tuple[float, float]:
    """The interval of ``first - second``, of independent images.

    Newcombe's method 10, from both Wilson intervals: Statistics in Medicine 17 (1998), pages 873
    to 890.
    """
    one, other = first.interval(level), second.interval(level)
    gap = first.value - second.value
    below = np.hypot(first.value - one.low, other.high - second.value)
    above = np.hypot(one.high - first.value, second.value - other.low)
    return float(gap - below), float(gap + above)
