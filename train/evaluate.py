"""Metrics of a classifier, from its probabilities for images it was not trained on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from models.manifest import ClassMetrics, Interval, Label, Metrics

CALIBRATION_BINS = 15


def evaluate(
    labels: Sequence[Label],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    groups: NDArray[Any] | None = None,
) -> Metrics:
    """Metrics for N > 0 images and C classes; the class with the largest probability is predicted.

    ``truth``: int64 [N], indices into ``labels``; ``probabilities``: floats [N, C], columns in the
    order of ``labels``; ``groups``: [N], as those of ``accuracy_of``. A proportion of nothing, such
    as the precision of a class that is never predicted, is 0. The log-loss is in nats per image.
    """
    indices = np.arange(len(labels))
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, labels=indices)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=indices, zero_division=0.0
    )
    others = len(truth) - support
    false_positives = confusion.sum(axis=0) - confusion.diagonal()
    false_negatives = confusion.sum(axis=1) - confusion.diagonal()
    classes = tuple(
        ClassMetrics(
            label=label,
            images=int(support[index]),
            precision=float(precision[index]),
            recall=float(recall[index]),
            f1=float(f1[index]),
            false_positive_rate=_ratio(false_positives[index], others[index]),
            false_negative_rate=_ratio(false_negatives[index], support[index]),
        )
        for index, label in enumerate(labels)
    )
    # float32 rows sum to 1 only within 1e-6, and log_loss warns about that.
    normal = probabilities.astype(np.float64)
    normal /= normal.sum(axis=1, keepdims=True)
    return Metrics(
        images=len(truth),
        accuracy=accuracy_of(predicted == truth, groups),
        log_loss=float(log_loss(truth, normal, labels=indices)),
        calibration_error=calibration_error(truth, normal),
        classes=classes,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def accuracy_of(right: NDArray[np.bool_], groups: NDArray[Any] | None) -> Interval:
    """The proportion of images that are ``right``, bool [N], with its 95 % interval.

    ``groups``: [N], such as people or scenes. The images of one may all be right or wrong together,
    so that they tell no more than a single one: the worst case of Kish's effect of a design (Survey
    Sampling, 1965), as groups are often too few to estimate how alike they are.
    """
    independent = len(right) if groups is None else len(np.unique(groups))
    return wilson(int(right.sum()), len(right), independent)


def wilson(successes: int, trials: int, independent: int | None = None) -> Interval:
    """A proportion with its 95 % score interval: Wilson, JASA 22 (1927), pages 209 to 212.

    ``independent``: how many of the trials tell something of their own; by default all of them.
    """
    share, count = successes / trials, independent or trials
    square = float(norm.ppf(0.975)) ** 2
    middle = (share + square / (2 * count)) / (1 + square / count)
    spread = square * share * (1 - share) / count + (square / (2 * count)) ** 2
    half = float(np.sqrt(spread)) / (1 + square / count)
    low = max(0.0, middle - half) if successes else 0.0
    high = min(1.0, middle + half) if successes < trials else 1.0
    return Interval(value=share, low=low, high=high)


def calibration_error(truth: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Expected calibration error of the predicted label, in 15 bins of equal width.

    The mean over images of |accuracy - mean confidence| of their bin: Guo et al., On Calibration
    of Modern Neural Networks (2017), equation 3, https://arxiv.org/abs/1706.04599. A bin includes
    its upper edge.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(truth))


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0
