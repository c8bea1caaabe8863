"""How many images of a window are beyond nearly all of the reference: an exact test.

If nothing has changed, their number follows from the numbers of images alone, whatever the
distribution: of the highest values of both together, how many are the window's (Gumbel and von
Schelling, The distribution of the number of exceedances, Annals of Mathematical Statistics 21,
1950). Ties only make a p-value larger.
"""

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binom, hypergeom, norm

REPEATED = 3.0
"""How many times the p-value of one window that of two may be."""

_STEPS = np.linspace(-8.0, 8.0, 641)
"""Of the quantile of the reference, as normal deviates."""
_WEIGHTS = norm.pdf(_STEPS) * (_STEPS[1] - _STEPS[0])


@dataclass(frozen=True)
class Exceedances:
    """``many`` images of the window are above the limit, as ``usual`` of the reference, a
    proportion, are at or above it."""

    many: int
    proportion: float
    usual: float
    p_value: float

    @property
    def excess(self) -> float:
        """The proportion of the window beyond the limit, minus that of the reference."""
        return max(0.0, self.proportion - self.usual)

    @classmethod
    def beyond(
        cls, old: NDArray[np.float32], new: NDArray[np.float32], quantile: float, fewest: int = 1
    ) -> Self:
        """Those of ``new``, float32 [m], above the value of ``old``, float32 [n], that as many of
        it reach as the quantile says, ``fewest`` at least."""
        # Without rounding, 0.02 of 350 would be 6.
        rank = min(len(old), max(fewest, int(round((1 - quantile) * len(old), 6))))
        many = int((new > np.partition(old, -rank)[-rank]).sum())
        p_value = exceedance_p_value(many, len(new), rank, len(old))
        return cls(many, many / len(new), rank / len(old), p_value)


def exceedance_p_value(many: int, images: int, rank: int, reference: int) -> float:
    """That ``many`` of a window's ``images``, at least, are above the ``rank``-th highest value of
    a ``reference``.

    A reference is a random sample itself, and all windows are compared with the same one: one whose
    highest values are low by chance calls window after window changed. So it is also computed how
    likely two windows are to have so many both, p² if they were independent; the square root of
    that, divided by three, is the least that the p-value may be. Two windows below a limit of p
    occur with a chance of 9 p² at most, however large the windows are.
    """
    if many <= 0:
        return 1.0
    both = reference + images
    once = float(hypergeom.sf(many - 1, both, images, many + rank - 1))
    crossed = binom.sf(many - 1, images, _above(rank, reference))
    twice = float((crossed**2 * _WEIGHTS).sum())
    return min(1.0, max(once, float(np.sqrt(twice)) / REPEATED))


@cache
def _above(rank: int, reference: int) -> NDArray[np.float64]:
    """How much of the distribution is above the ``rank``-th highest of ``reference`` values, at
    each of the steps: it is distributed as Beta(rank, reference + 1 - rank)."""
    rest = reference + 1 - rank
    low, high = beta.ppf(norm.cdf(_STEPS), rank, rest), beta.isf(norm.sf(_STEPS), rank, rest)
    return np.asarray(np.where(_STEPS > 0, high, low))
