"""Five comparisons of a window with the reference, each of them a statistical test.

A view gives one p-value. If it tests several columns, that is the smallest times their number
(Bonferroni). It also gives the size of the change, a sentence about it, and the images that show it
most; a p-value alone is small for any change if only the window is large. Each looks at all of a
window, and its p-value is what two windows against one reference make of it
(``monitor.drift.recurrence``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, fisher_exact

from models.manifest import Label
from monitor.drift.class_mix import ClassMix
from monitor.drift.columns import Columns
from monitor.drift.exceedances import Exceedances
from monitor.drift.kolmogorov import KolmogorovSmirnov
from monitor.drift.recurrence import recurring
from monitor.drift.statistics import Statistic
from monitor.phrasing import describe_proportion, percent

UNUSUAL = (0.98, 1)
"""The quantile of the reference above which an image is unusual, and how many of it are at or above
that at least."""
EXTREME = (0.9975, 2)
"""That above which hardly any image should be: two of a reference of 360, four of 1,797."""
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
    """``minimum``: the effect that an alarm needs; ``unit``: what the effect measures; ``needs``:
    a column that a reference may lack."""

    name: str
    unit: str
    minimum: float
    compare: Callable[[Columns, Columns], Comparison]
    needs: Literal["error", "strangeness"] | None = None


def views(
    labels: Sequence[Label], statistics: Sequence[Statistic], usual: ClassMix
) -> tuple[View, ...]:
    """All five, for the classes and statistics that the columns have, and what is ``usual``."""
    distance = "Kolmogorov-Smirnov distance"
    return (
        View("outputs", distance, 0.1, lambda old, new: outputs(old, new, labels)),
        View(
            "classes",
            "bias-corrected Cohen's w of the class proportions",
            0.2,
            lambda _, new: classes(usual, new, labels),
        ),
        View("reconstruction", distance, 0.1, reconstruction, needs="error"),
        View("statistics", distance, 0.1, lambda old, new: image_statistics(old, new, statistics)),
        View(
            "unusual images",
            "proportion of unusual images minus that of the reference",
            0.02,
            unusual,
            needs="strangeness",
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


def classes(usual: ClassMix, new: Columns, labels: Sequence[Label]) -> Comparison:
    """How often each class is predicted: chi-square over all, and Fisher's exact test of one
    against the others.

    Chi-square (BBSDh of Rabanser et al.) detects changes of many classes together, but is slow to
    detect a single class that disappears, since it measures that against the noise of all classes.
    Each of the two gets half of the error. Classes too rare for chi-square are pooled.
    """
    counts = new.counts()
    p_all, effect = _chi_square(counts, usual)
    apart = usual.distances(counts)
    ranked = np.argsort(-np.abs(apart), kind="stable")[:FISHER_CLASSES]
    singles = [_fisher(counts, usual, index) for index in ranked.tolist()]
    p_value = min(1.0, 2 * min(p_all, len(labels) * min(singles)))
    first = int(ranked[0])
    before, now = float(usual.proportions[first]), float(counts[first] / len(new))
    summary = describe_proportion(labels[first], before, now)
    examples = np.flatnonzero(new.predicted == first)[: EXAMPLES if now > before else 0]
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
    """How many images are less like the training images than nearly all of the reference: detects a
    window of which only a part has changed.

    The limits are the reference's own, so that all of a window can be above them; the test is exact
    (``monitor.drift.exceedances``). It is done at two quantiles, with Bonferroni: the higher one
    tells a few images that are like no other, and the lower one many that are a little odd.
    """
    if old.strangeness is None or new.strangeness is None:
        raise ValueError("This view needs to know how unlike the training images both are.")
    found = min(
        (
            Exceedances.beyond(old.strangeness, new.strangeness, *limit)
            for limit in (UNUSUAL, EXTREME)
        ),
        key=lambda one: one.p_value,
    )
    summary = (
        f"{percent(found.proportion)} of the images are unlike the training images "
        f"(reference: {percent(found.usual)})"
    )
    order = np.argsort(-new.strangeness, kind="stable")
    p_value = min(1.0, 2 * found.p_value)
    return Comparison(p_value, found.excess, summary, order[: min(EXAMPLES, found.many)])


def _chi_square(counts: NDArray[np.int64], usual: ClassMix) -> tuple[float, float]:
    """The p-value, and Cohen's w without its bias.

    Chance alone makes chi-square as large as its degrees of freedom, which are subtracted, as in
    Bergsma, A bias-correction for Cramér's V and Tschuprow's T (2013).
    """
    reference = float(usual.images.min())
    table = np.stack([counts, usual.proportions * reference])
    sizes = table.sum(axis=1, keepdims=True)
    expected = table.sum(axis=0) * sizes.min() / sizes.sum()
    rare = expected < MIN_EXPECTED
    table = np.hstack([table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 1.0, 0.0
    test = chi2_contingency(table, correction=False)
    freedom = int(test.dof)
    balance = float(1 / (1 / sizes).sum())
    effect = np.sqrt(max(0.0, float(test.statistic) - freedom) / balance)
    p_value = recurring(float(test.pvalue), int(counts.sum()), reference, freedom)
    return p_value, float(effect)


def _fisher(counts: NDArray[np.int64], usual: ClassMix, index: int) -> float:
    """Of this class against the others, and a reference of as many images as tell of it."""
    now, images = int(counts[index]), int(counts.sum())
    size = round(float(usual.images[index]))
    before = round(float(usual.proportions[index]) * size)
    table = np.array([[now, images - now], [before, size - before]])
    once = float(fisher_exact(table).pvalue)
    return recurring(once, images, size, freedom=1)


def _errors(old: Columns, new: Columns) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if old.error is None or new.error is None:
        raise ValueError("This view needs the reconstruction errors of both.")
    return old.error, new.error
