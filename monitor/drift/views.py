"""Five comparisons of a window with the reference, each of them a statistical test.

A view gives one p-value. If it tests several columns, that is the smallest times their number
(Bonferroni). It also gives the size of the change, a sentence about it, and the images that show it
most; a p-value alone is small for any change if only the window is large.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, fisher_exact, hypergeom

from models.manifest import Label
from monitor.drift.columns import Columns
from monitor.drift.kolmogorov import KolmogorovSmirnov
from monitor.drift.statistics import Statistic
from monitor.phrasing import describe_proportion, percent

UNUSUAL = 0.98
"""The quantile of the reference's reconstruction errors above which an image is unusual."""
EXTREME = 0.995
"""The quantile above which hardly any image should be: one or two of a reference of 360."""
MIN_EXPECTED = 5.0
"""Images of a class to expect in the window for chi-square to hold: Cochran, Some methods for
strengthening the common chi-square tests, Biometrics 10 (1954)."""
FISHER_CLASSES = 3
"""Classes that are also tested one by one: those that changed most."""
EXAMPLES = 8


@dataclass(frozen=True, eq=False)
class Comparison:
    """What one view found. ``examples``: rows of the window that show the change most, the
    strongest first."""

    p_value: float
    effect: float
    summary: str
    examples: NDArray[np.int64]


@dataclass(frozen=True)
class View:
    """``minimum``: the effect that an alarm needs; ``unit``: what the effect measures."""

    name: str
    unit: str
    minimum: float
    compare: Callable[[Columns, Columns], Comparison]
    needs_error: bool = False


def views(labels: Sequence[Label], statistics: Sequence[Statistic]) -> tuple[View, ...]:
    """All five, for the classes and statistics that the columns have."""
    distance = "Kolmogorov-Smirnov distance"
    return (
        View("outputs", distance, 0.1, lambda old, new: outputs(old, new, labels)),
        View(
            "classes",
            "bias-corrected Cohen's w of the class proportions",
            0.2,
            lambda old, new: classes(old, new, labels),
        ),
        View("reconstruction", distance, 0.1, reconstruction, needs_error=True),
        View("statistics", distance, 0.1, lambda old, new: image_statistics(old, new, statistics)),
        View(
            "unusual images",
            "proportion of unusual images minus that of the reference",
            0.05,
            unusual,
            needs_error=True,
        ),
    )


def outputs(old: Columns, new: Columns, labels: Sequence[Label]) -> Comparison:
    """Kolmogorov-Smirnov on the output of each class.

    BBSDs of Rabanser, Günnemann and Lipton, Failing Loudly (2019),
    https://arxiv.org/abs/1810.11953.
    """
    test = KolmogorovSmirnov.of(old.outputs, new.outputs)
    before, now = old.outputs.max(axis=1), new.outputs.max(axis=1)
    probabilities = old.outputs.min() >= 0 and before.max() <= 1 + 1e-3
    kind = f"{'probability' if probabilities else 'score'} of class {labels[test.column]}"
    summary = test.summary(f"given a higher {kind}", f"given a lower {kind}")
    if probabilities and abs(float(now.mean() - before.mean())) >= 0.02:
        summary += f"; mean confidence is {now.mean():.2f} (reference: {before.mean():.2f})"
    return Comparison(test.p_value, test.distance, summary, test.examples(EXAMPLES))


def classes(old: Columns, new: Columns, labels: Sequence[Label]) -> Comparison:
    """How often each class is predicted: chi-square over all, and Fisher's exact test of one
    against the others.

    Chi-square (BBSDh of Rabanser et al.) detects changes of many classes together, but is slow to
    detect a single class that disappears, since it measures that against the noise of all classes.
    Each of the two gets half of the error. Classes too rare for chi-square are pooled.
    """
    counts = np.stack([new.counts(), old.counts()])
    sizes = counts.sum(axis=1)
    p_all, effect = _chi_square(counts)
    now, before = counts / sizes[:, None]
    pooled = counts.sum(axis=0) / sizes.sum()
    spread = np.sqrt(pooled * (1 - pooled))
    strength = np.divide(np.abs(now - before), spread, out=np.zeros_like(now), where=spread > 0)
    ranked = np.argsort(-strength, kind="stable")[:FISHER_CLASSES]
    singles = [
        float(fisher_exact(np.stack([counts[:, index], sizes - counts[:, index]])).pvalue)
        for index in ranked
    ]
    p_value = min(1.0, 2 * min(p_all, len(labels) * min(singles)))
    first = int(ranked[0])
    summary = describe_proportion(labels[first], float(before[first]), float(now[first]))
    more = now[first] > before[first]
    examples = np.flatnonzero(new.predicted == first)[: EXAMPLES if more else 0]
    return Comparison(p_value, effect, summary, examples)


def reconstruction(old: Columns, new: Columns) -> Comparison:
    """Kolmogorov-Smirnov on the reconstruction error of a principal component analysis."""
    before, now = _errors(old, new)
    test = KolmogorovSmirnov.of(before[:, None], now[:, None])
    summary = test.summary("less like the training images", "plainer")
    return Comparison(test.p_value, test.distance, summary, test.examples(EXAMPLES))


def image_statistics(old: Columns, new: Columns, statistics: Sequence[Statistic]) -> Comparison:
    """Kolmogorov-Smirnov on each of the image statistics."""
    test = KolmogorovSmirnov.of(old.statistics, new.statistics)
    statistic = statistics[test.column]
    summary = test.summary(statistic.more, statistic.less)
    return Comparison(test.p_value, test.distance, summary, test.examples(EXAMPLES))


def unusual(old: Columns, new: Columns) -> Comparison:
    """How many images have a reconstruction error above a high quantile of the reference: detects a
    window of which only a part has changed.

    The limits are the reference's own, so that all of a window can be above them. If nothing has
    changed, how many are follows from the numbers of images alone, whatever the distribution: of
    the highest ``many + rank - 1`` values of both together, at least ``many`` are then the window's
    (Gumbel and von Schelling, The distribution of the number of exceedances, Annals of Mathematical
    Statistics 21, 1950). So the test is exact; ties only make its p-value larger. It is done at
    two quantiles, with Bonferroni: the higher one tells a few images that are like no other, and
    the lower one many that are a little odd.
    """
    before, now = _errors(old, new)
    p_value = min(1.0, 2 * min(_exceeding(before, now, limit)[1] for limit in (UNUSUAL, EXTREME)))
    many, _ = _exceeding(before, now, UNUSUAL)
    rank = _rank(before, UNUSUAL)
    usual = rank / len(before)
    effect = many / len(now) - usual
    summary = (
        f"{percent(many / len(now))} of the images are unlike the training images "
        f"(reference: {percent(usual)})"
    )
    order = np.argsort(-now, kind="stable")
    return Comparison(p_value, max(0.0, effect), summary, order[: min(EXAMPLES, many)])


def _rank(values: NDArray[np.float32], quantile: float) -> int:
    """How many of the values are at or above the quantile; one at least."""
    # Without rounding, 0.02 of 350 would be 6.
    return max(1, int(round((1 - quantile) * len(values), 6)))


def _exceeding(
    before: NDArray[np.float32], now: NDArray[np.float32], quantile: float
) -> tuple[int, float]:
    """How many of the window are above the quantile of the reference, and the p-value of that."""
    rank = _rank(before, quantile)
    many = int((now > np.partition(before, -rank)[-rank]).sum())
    both = len(before) + len(now)
    return many, float(hypergeom.sf(many - 1, both, len(now), many + rank - 1))


def _chi_square(counts: NDArray[np.int64]) -> tuple[float, float]:
    """The p-value, and Cohen's w without its bias.

    Chance alone makes chi-square as large as its degrees of freedom, which are subtracted, as in
    Bergsma, A bias-correction for Cramér's V and Tschuprow's T (2013).
    """
    sizes = counts.sum(axis=1, keepdims=True)
    expected = counts.sum(axis=0) * sizes.min() / sizes.sum()
    rare = expected < MIN_EXPECTED
    table = np.hstack([counts[:, ~rare], counts[:, rare].sum(axis=1, keepdims=True)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0, 0.0
    test = chi2_contingency(table, correction=False)
    balance = float(1 / (1 / sizes).sum())
    effect = np.sqrt(max(0.0, float(test.statistic) - int(test.dof)) / balance)
    return float(test.pvalue), float(effect)


def _errors(old: Columns, new: Columns) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if old.error is None or new.error is None:
        raise ValueError("This view needs the reconstruction errors of both.")
    return old.error, new.error
