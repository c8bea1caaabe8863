"""Metrics of a classifier, from its probabilities for images it was not trained on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from models.manifest import ClassMetrics, Interval, Label, Metrics

CALIBRATION_BINS = 15


def evaluate(
    labels: Sequence[Label],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.floating],
) -> Metrics:
    """Metrics for N > 0 images and C classes; the class with the largest probability is predicted.

    ``truth``: int64 [N], indices into ``labels``; ``probabilities``: floats [N, C], columns in the
    order of ``labels``. A proportion of nothing, such as the precision of a class that is never
    predicted, is 0. The log-loss is in nats per image.
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
        accuracy=wilson(int(confusion.trace()), len(truth)),
        log_loss=float(log_loss(truth, normal, labels=indices)),
        calibration_error=calibration_error(truth, normal),
        classes=classes,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def wilson(successes: int, trials: int) -> Interval:
    """A proportion with its 95 % score interval: Wilson, JASA 22 (1927), pages 209 to 212."""
    bounds = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(
        value=successes / trials, low=max(0.0, float(bounds.low)), high=min(1.0, float(bounds.high))
    )


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
