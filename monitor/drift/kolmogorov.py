"""The two-sample Kolmogorov-Smirnov test of several columns."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from monitor.drift.recurrence import recurring
from monitor.phrasing import percent


@dataclass(frozen=True, eq=False)
class KolmogorovSmirnov:
    """The column that differs most between the reference (``old``) and the window (``new``).

    ``distance``: between the two distribution functions, at most; ``higher``: whether the window's
    values are higher where that is.
    """

    p_value: float
    distance: float
    column: int
    higher: bool
    old: NDArray[np.float32]
    new: NDArray[np.float32]

    @classmethod
    def of(cls, old: NDArray[np.float32], new: NDArray[np.float32]) -> Self:
        """float32 [M, K] against [N, K]; the p-value is the smallest, times K (Bonferroni).

        It is the asymptotic one: the exact one takes longer with every image, and with ties neither
        is exact: both come out too large, not too small. SciPy tests only the column with the
        largest distance, which has the smallest p-value, as all have as many images. It is what
        two windows make of it (``recurring``).
        """
        column = int(np.argmax([_distance(*pair) for pair in zip(old.T, new.T, strict=True)]))
        test: Any = ks_2samp(new[:, column], old[:, column], method="asymp")
        p_value = recurring(float(test.pvalue), len(new), len(old), freedom=2)
        return cls(
            p_value=min(1.0, p_value * old.shape[1]),
            distance=float(test.statistic),
            column=column,
            higher=bool(test.statistic_sign < 0),
            old=old[:, column],
            new=new[:, column],
        )

    def summary(self, higher: str, lower: str) -> str:
        """The proportion of the window beyond a quantile of the reference, and what to expect; of
        three quantiles the one that shows the change best."""
        sign = 1 if self.higher else -1
        best = (-np.inf, 0.0, 0.0, 0.0)
        for proportion in (0.5, 0.1, 0.01):
            limit = np.quantile(sign * self.old, 1 - proportion, method="inverted_cdf")
            before = float((sign * self.old > limit).mean())
            now = float((sign * self.new > limit).mean())
            strength = (now - before) / np.sqrt(before * (1 - before) + 1 / len(self.old))
            best = max(best, (float(strength), now, before, proportion))
        _, now, before, proportion = best
        than = "the median" if proportion == 0.5 else f"all but {percent(before)}"
        return (
            f"{percent(now)} of the images are {higher if self.higher else lower} than {than} of "
            f"the reference (expected: {percent(before)})"
        )

    def examples(self, maximum: int) -> NDArray[np.int64]:
        """Rows of the window with the most extreme values, these first."""
        order = np.argsort(self.new, kind="stable")
        return (order[::-1] if self.higher else order)[:maximum]


def _distance(old: NDArray[np.float32], new: NDArray[np.float32]) -> float:
    """The largest between the two empirical distribution functions."""
    values = np.concatenate([old, new])
    old_below = np.searchsorted(np.sort(old), values, side="right") / len(old)
    new_below = np.searchsorted(np.sort(new), values, side="right") / len(new)
    return float(np.abs(new_below - old_below).max())
