"""Five ways to look at a window of production beside the reference, each of them a test.

A view gives one p-value. Where it looks at several columns, it is the smallest, times their number
(Bonferroni). It also says how large the change is, in words, and which images show it most; a
p-value alone is small for any change, if only the window is large.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, fisher_exact, ks_2samp

from models.manifest import Label
from monitor.drift.statistics import Statistic
from monitor.phrasing import describe_proportion, percent

UNUSUAL = 0.98
"""The quantile of the reconstruction error above which an image is unusual."""
EXPECTED = 5.0
"""Images of a class to expect in the window, for chi-square to hold: Cochran, Some methods for
strengthening the common chi-square tests, Biometrics 10 (1954)."""
FISHERS = 3
"""Classes that are tested alone: those that changed most."""
EXAMPLES = 8


@dataclass(frozen=True, eq=False)
class Columns:
    """What the views know of N images.

    ``outputs``: float32 [N, C], the probabilities (or scores) of the classes; ``statistics``:
    float32 [N, S]; ``error``: float32 [N], what is left of an image's features after its
    projection on the principal components, as a squared length, or None where the reference has no
    components.
    """

    outputs: NDArray[np.float32]
    statistics: NDArray[np.float32]
    error: NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.outputs)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """int64 [N]: places of the predicted classes."""
        return np.asarray(self.outputs.argmax(axis=1), np.int64)

    def shares(self) -> NDArray[np.float64]:
        """float64 [C]: of the images, those predicted as each class."""
        return np.bincount(self.predicted, minlength=self.outputs.shape[1]) / len(self)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The given rows alone."""
        error = None if self.error is None else self.error[rows]
        return type(self)(self.outputs[rows], self.statistics[rows], error)


@dataclass(frozen=True, eq=False)
class Finding:
    """``examples``: rows of the window that show the change most, the strongest first."""

    p_value: float
    effect: float
    words: str
    examples: NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """``minimum``: the effect that an alarm needs, in the unit that ``effect`` names."""

    name: str
    effect: str
    minimum: float
    look: Callable[[Columns, Columns], Finding]
    needs_error: bool = False


def views(labels: Sequence[Label], statistics: Sequence[Statistic]) -> tuple[View, ...]:
    """All five, for the classes and statistics that the columns have."""
    distance = "largest distance between the distribution functions (Kolmogorov-Smirnov)"
    return (
        View("outputs", distance, 0.1, lambda old, new: outputs(old, new, labels)),
        View(
            "classes",
            "Cohen's w of the shares, less what chance gives it",
            0.2,
            lambda old, new: classes(old, new, labels),
        ),
        View("reconstruction", distance, 0.1, reconstruction, needs_error=True),
        View("statistics", distance, 0.1, lambda old, new: image_statistics(old, new, statistics)),
        View(
            "unusual images",
            "share of unusual images, less the reference's",
            0.05,
            unusual,
            needs_error=True,
        ),
    )


def outputs(old: Columns, new: Columns, labels: Sequence[Label]) -> Finding:
    """Kolmogorov-Smirnov on the output of each class.

    BBSDs of Rabanser, Günnemann and Lipton, Failing Loudly (2019),
    https://arxiv.org/abs/1810.11953.
    """
    found = _smirnov(old.outputs, new.outputs)
    before, now = old.outputs.max(axis=1), new.outputs.max(axis=1)
    shares = old.outputs.min() >= 0 and before.max() <= 1 + 1e-3
    kind = f"{'probability' if shares else 'score'} of class {labels[found.column]}"
    words = found.words(f"given a higher {kind}", f"given a lower {kind}")
    if shares and abs(float(now.mean() - before.mean())) >= 0.02:
        words += f"; the mean confidence is {now.mean():.2f} instead of {before.mean():.2f}"
    return Finding(found.p_value, found.distance, words, found.examples())


def classes(old: Columns, new: Columns, labels: Sequence[Label]) -> Finding:
    """How often each class is predicted: chi-square over all, and Fisher's exact test of one
    against the others.

    Chi-square (BBSDh of Rabanser et al.) finds what happens to many classes at once, and is late
    for a class that is gone, whose change it measures by the noise of all. Each of the two gets
    half of the error. Classes too rare for chi-square are put together.
    """
    counts = np.stack(
        [np.bincount(one.predicted, minlength=old.outputs.shape[1]) for one in (new, old)]
    )
    sizes = counts.sum(axis=1)
    p_all, effect = _chi_square(counts)
    now, before = counts / sizes[:, None]
    pooled = counts.sum(axis=0) / sizes.sum()
    spread = np.sqrt(pooled * (1 - pooled))
    strength = np.divide(np.abs(now - before), spread, out=np.zeros_like(now), where=spread > 0)
    ranked = np.argsort(-strength, kind="stable")[:FISHERS]
    singles = [
        float(fisher_exact(np.stack([counts[:, one], sizes - counts[:, one]])).pvalue)
        for one in ranked
    ]
    p_value = min(1.0, 2 * min(p_all, len(labels) * min(singles)))
    most = int(ranked[0])
    words = describe_proportion(labels[most], float(before[most]), float(now[most]))
    more = now[most] > before[most]
    examples = np.flatnonzero(new.predicted == most)[: EXAMPLES if more else 0]
    return Finding(p_value, effect, words, examples)


def reconstruction(old: Columns, new: Columns) -> Finding:
    """Kolmogorov-Smirnov on the reconstruction error of a principal component analysis."""
    before, now = _errors(old, new)
    found = _smirnov(before[:, None], now[:, None])
    words = found.words("less like the training images", "plainer")
    return Finding(found.p_value, found.distance, words, found.examples())


def image_statistics(old: Columns, new: Columns, names: Sequence[Statistic]) -> Finding:
    """Kolmogorov-Smirnov on each of the image statistics."""
    found = _smirnov(old.statistics, new.statistics)
    name = names[found.column]
    words = found.words(name.more, name.less)
    return Finding(found.p_value, found.distance, words, found.examples())


def unusual(old: Columns, new: Columns) -> Finding:
    """Fisher's exact test, one-sided, on the share of images whose reconstruction error is above
    the 98 % quantile of both together: finds a window of which only a part has changed."""
    before, now = _errors(old, new)
    limit = np.quantile(np.concatenate([before, now]), UNUSUAL)
    many, few = int((now > limit).sum()), int((before > limit).sum())
    table = np.array([[many, len(now) - many], [few, len(before) - few]])
    p_value = float(fisher_exact(table, alternative="greater").pvalue)
    effect = many / len(now) - few / len(before)
    words = (
        f"{percent(many / len(now))} of the images are unlike the training images, and "
        f"{percent(few / len(before))} of the reference"
    )
    order = np.argsort(-now, kind="stable")
    return Finding(p_value, max(0.0, effect), words, order[: min(EXAMPLES, many)])


@dataclass(frozen=True, eq=False)
class _Smirnov:
    """The most changed column; ``higher``: whether its values are, where the distribution functions
    are furthest apart."""

    p_value: float
    distance: float
    column: int
    higher: bool
    old: NDArray[np.float32]
    new: NDArray[np.float32]

    def words(self, more: str, less: str) -> str:
        """Of three thresholds the one that shows most; the last number is what to expect."""
        sign = 1 if self.higher else -1
        best = (-np.inf, 0.0, 0.0)
        for share in (0.5, 0.1, 0.01):
            limit = np.quantile(sign * self.old, 1 - share, method="inverted_cdf")
            before = float((sign * self.old > limit).mean())
            now = float((sign * self.new > limit).mean())
            strength = (now - before) / np.sqrt(before * (1 - before) + 1 / len(self.old))
            best = max(best, (float(strength), now, before))
        _, now, before = best
        return (
            f"{percent(now)} of the images are {more if self.higher else less} than "
            f"{percent(1 - before)} of the reference ({percent(before)} would be usual)"
        )

    def examples(self) -> NDArray[np.int64]:
        order = np.argsort(self.new, kind="stable")
        return (order[::-1] if self.higher else order)[:EXAMPLES]


def _smirnov(old: NDArray[np.float32], new: NDArray[np.float32]) -> _Smirnov:
    """The p-value is the smallest times the number of columns.

    It is the asymptotic one: the exact one takes longer with every image, and neither is exact
    where values are equal, for which both come out too large, not too small.
    """
    found: Any = ks_2samp(new, old, method="asymp", axis=0)
    distances = np.asarray(found.statistic)
    column = int(distances.argmax())
    return _Smirnov(
        p_value=min(1.0, float(found.pvalue[column]) * len(distances)),
        distance=float(distances[column]),
        column=column,
        higher=bool(found.statistic_sign[column] < 0),
        old=old[:, column],
        new=new[:, column],
    )


def _chi_square(counts: NDArray[np.int64]) -> tuple[float, float]:
    """The p-value, and Cohen's w without its bias.

    Chance alone makes chi-square as large as its degrees of freedom, which is taken off, as in
    Bergsma, A bias-correction for Cramér's V and Tschuprow's T (2013).
    """
    sizes = counts.sum(axis=1, keepdims=True)
    expected = counts.sum(axis=0) * sizes.min() / sizes.sum()
    rare = expected < EXPECTED
    table = np.hstack([counts[:, ~rare], counts[:, rare].sum(axis=1, keepdims=True)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0, 0.0
    found = chi2_contingency(table, correction=False)
    balance = float(1 / (1 / sizes).sum())
    effect = np.sqrt(max(0.0, float(found.statistic) - int(found.dof)) / balance)
    return float(found.pvalue), float(effect)


def _errors(old: Columns, new: Columns) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if old.error is None or new.error is None:
        raise ValueError("this view needs the reconstruction errors of both")
    return old.error, new.error
