"""Two versions on the same images: every figure of both, and what their differences may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from models.manifest import Label
from rollout.verdict import ClassMeasures, Compared, Measure

Floats = NDArray[np.float64]

RESAMPLES = 1000
_CHUNK = 100
_BINS = 15
_NORMAL_95 = 1.959964
_TINY = float(np.finfo(np.float64).eps)

OF_CLASS = ("precision", "recall", "F1", "false positive rate", "false negative rate")


@dataclass(frozen=True, eq=False)
class Answers:
    """Of one version for N images. ``predicted``: int64 [N], indices of the labels of both versions
    together, -1 where it gave no number; ``confidence``: float64 [N]; ``loss``: float64 [N], minus
    the logarithm of the true label's probability. The last two are None for scores."""

    predicted: NDArray[np.int64]
    confidence: Floats | None
    loss: Floats | None


def compare(
    name: str,
    labels: Sequence[Label],
    truth: NDArray[np.int64],
    weights: Floats,
    champion: Answers,
    challenger: Answers,
    *,
    seed: int = 0,
    scenes: NDArray[np.int64] | None = None,
) -> Compared:
    """``truth``: int64 [N], indices into ``labels``; ``weights``: float64 [N], how many requests
    each image stands for; ``scenes``: int64 [N], equal for photos of one scene, such as a burst,
    which may all be right or wrong together and so count as one (``train.evaluate``).

    Intervals of differences: percentiles of a paired bootstrap, in which both versions get the same
    resampled images, 1,000 times with the same seed; Poisson's, Hanley and MacGibbon, Computer
    Methods and Programs in Biomedicine 83 (2006), pages 57 to 62. With few disagreements it is too
    narrow, so for accuracy the rule also uses that of Agresti and Min, Statistics in Medicine 24
    (2005), pages 729 to 740: half an observation is added to each cell.
    """
    right = champion.predicted == truth, challenger.predicted == truth
    won, lost = right[1] & ~right[0], right[0] & ~right[1]
    both = [_Figures.of(answers, truth, len(labels)) for answers in (champion, challenger)]
    points = [figures.at(weights[None, :]) for figures in both]
    found, scene = np.unique(
        np.arange(len(truth)) if scenes is None else scenes, return_inverse=True
    )
    resampled = _resampled(both, weights, scene, seed)
    overall = tuple(
        _measure(key, points, resampled, None) for key in points[0] if not _by_class(points[0][key])
    )
    accuracy = overall[0]
    low, high = _paired_interval(won, lost, weights, scene)
    return Compared(
        name=name,
        images=len(truth),
        wins=int(won.sum()),
        losses=int(lost.sum()),
        low=min(low, accuracy.low if accuracy.low is not None else low),
        high=max(high, accuracy.high if accuracy.high is not None else high),
        lost=_sign_test(lost, won, scene),
        measures=overall,
        classes=tuple(
            ClassMeasures(
                label=label,
                images=int((truth == index).sum()),
                lost=_sign_test(lost & (truth == index), won & (truth == index), scene),
                measures=tuple(
                    _measure(f"class {key}", points, resampled, index, key) for key in OF_CLASS
                ),
            )
            for index, label in enumerate(labels)
            if (truth == index).any()
        ),
        scenes=len(found) if len(found) < len(truth) else None,
    )


def _by_class(values: Floats) -> bool:
    return values.ndim == 2


@dataclass(frozen=True, eq=False)
class _Figures:
    """What all figures are sums over images of, so that they are one product of matrices for all
    resamples: five took three times as long.

    ``parts``: float64 [N, 3 K + 1 + bins], by image and class whether it was found, is of the class
    and was said to be; its loss; and by bin whether it was right, less the confidence.
    """

    parts: Floats
    classes: int
    has_loss: bool
    has_gaps: bool

    @classmethod
    def of(cls, answers: Answers, truth: NDArray[np.int64], classes: int) -> "_Figures":
        index = np.arange(classes)
        true, said = truth[:, None] == index, answers.predicted[:, None] == index
        loss = np.zeros((len(truth), 1))
        gaps = np.zeros((len(truth), _BINS))
        if answers.loss is not None:
            loss[:, 0] = answers.loss
        if answers.confidence is not None:
            # As in train.evaluate: a bin includes its upper edge.
            edges = np.linspace(0, 1, _BINS + 1)
            bins = np.clip(np.searchsorted(edges, answers.confidence) - 1, 0, _BINS - 1)
            right = answers.predicted == truth
            gaps[np.arange(len(truth)), bins] = right - answers.confidence
        return cls(
            np.hstack([true & said, true, said, loss, gaps]),
            classes,
            answers.loss is not None,
            answers.confidence is not None,
        )

    def at(self, weights: Floats) -> dict[str, Floats]:
        """For float64 [B, N]: [B] of all images, then [B, K] by class."""
        total = np.maximum(weights.sum(axis=1), _TINY)
        sums = weights @ self.parts
        ends = [self.classes, 2 * self.classes, 3 * self.classes, 3 * self.classes + 1]
        hits, true, said, loss, gaps = np.split(sums, ends, axis=1)
        recall = _ratio(hits, true, np.nan)
        by_class = {
            "class precision": _ratio(hits, said, 0.0),
            "class recall": recall,
            "class F1": _ratio(2 * hits, true + said, 0.0),
            "class false positive rate": _ratio(said - hits, total[:, None] - true, 0.0),
            "class false negative rate": 1 - recall,
        }
        present = true > 0
        found = {"accuracy": hits.sum(axis=1) / total}
        for key in OF_CLASS:
            values = np.where(present, by_class[f"class {key}"], 0.0)
            found[key] = values.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
        if self.has_loss:
            found["log-loss"] = loss[:, 0] / total
        if self.has_gaps:
            found["calibration error"] = np.abs(gaps).sum(axis=1) / total
        return found | by_class


def _ratio(part: Floats, whole: Floats, empty: float) -> Floats:
    found: Floats = np.full(part.shape, empty)
    np.divide(part, whole, out=found, where=whole > 0)
    return found


def _resampled(
    both: Sequence[_Figures], weights: Floats, scene: NDArray[np.intp], seed: int
) -> list[dict[str, Floats]]:
    """Whole scenes, since their images are not drawn one by one."""
    count = int(scene.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    parts: list[list[dict[str, Floats]]] = [[], []]
    for _ in range(RESAMPLES // _CHUNK):
        drawn = rng.poisson(1.0, (_CHUNK, count))[:, scene] * weights
        for found, figures in zip(parts, both, strict=True):
            found.append(figures.at(drawn))
    return [
        {key: np.concatenate([part[key] for part in found]) for key in found[0]} for found in parts
    ]


def _measure(
    key: str,
    points: Sequence[dict[str, Floats]],
    resampled: Sequence[dict[str, Floats]],
    index: int | None,
    name: str | None = None,
) -> Measure:
    champion, challenger = (
        float(values[key][0] if index is None else values[key][0, index]) if key in values else None
        for values in points
    )
    if champion is None or challenger is None:
        return Measure(name=name or key, champion=champion, challenger=challenger, difference=None)
    old, new = (values[key] if index is None else values[key][:, index] for values in resampled)
    differences = (new - old)[~np.isnan(new - old)]
    low, high = np.quantile(differences, (0.025, 0.975)) if len(differences) else (None, None)
    return Measure(
        name=name or key,
        champion=champion,
        challenger=challenger,
        difference=challenger - champion,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
    )


def _paired_interval(
    won: NDArray[np.bool_], lost: NDArray[np.bool_], weights: Floats, scene: NDArray[np.intp]
) -> tuple[float, float]:
    """Weighted images count as the number of unweighted ones that would tell as much (Kish), and
    those of a scene as one with the weight of all."""
    size = float(weights.sum() ** 2 / (np.bincount(scene, weights) ** 2).sum())
    share = weights / weights.sum()
    n = size + 2
    wins = (float(share @ won) * size + 0.5) / n
    losses = (float(share @ lost) * size + 0.5) / n
    difference = wins - losses
    half = _NORMAL_95 * sqrt(max(wins + losses - difference**2, 0.0) / n)
    return difference - half, difference + half


def _sign_test(lost: NDArray[np.bool_], won: NDArray[np.bool_], scene: NDArray[np.intp]) -> float:
    """The p-value of as many losses or more among as many disagreements, if none is likelier; a
    scene is one of them, for whom it has more of."""
    sign = np.bincount(scene, lost) - np.bincount(scene, won)
    losses, wins = int((sign > 0).sum()), int((sign < 0).sum())
    if not losses + wins:
        return 1.0
    return float(binomtest(losses, losses + wins, 0.5, alternative="greater").pvalue)
