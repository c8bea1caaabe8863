"""How often a model is right, from labels; without labels, see ``harm``."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cli import counted
from labels import label_key
from models.manifest import Interval, Label
from models.reference import Reference
from monitor.frozen import Frozen
from monitor.phrasing import percent
from monitor.proportions import Proportion, Stratified, difference
from records.reports import State
from records.windows import Record

Floats = NDArray[np.float64]

LABELS_BACK = timedelta(days=30)
"""Labels arrive late: if a window has too few, those of the last month are used."""
RECENT = timedelta(days=14)
"""Images of two weeks without a single label: the accuracy of before says little about now."""

_DRAWN = ("random", "monitor")


class AccuracySettings(Frozen):
    """``drop``: loss of accuracy, as a proportion, that is an alarm; ``level``: of the confidence
    interval of the drop, which must be above 0; ``min_labels``: fewer are not judged."""

    drop: float = Field(default=0.05, gt=0, lt=1)
    level: float = Field(default=0.99, gt=0.5, lt=1)
    min_labels: int = Field(default=30, ge=5)


class ClassAccuracy(Frozen):
    """One class: ``images`` have it as their label, ``predicted`` as their prediction. Recall and
    precision are None without these.

    ``worse``: recall or precision has dropped, after a correction for testing both of all classes.
    """

    label: Label
    images: int
    predicted: int
    recall: Interval | None
    precision: Interval | None
    reference_recall: float | None
    reference_precision: float | None
    worse: bool


class AccuracyReport(Frozen):
    """The accuracy on labelled predictions.

    ``images``: predictions with an undisputed label; ``effective``: their effective sample size
    (Kish); ``accuracy``: with its 95% confidence interval; ``drop``: the reference's accuracy minus
    this one, with its 95% confidence interval in ``drop_low`` and ``drop_high``; ``strangers``:
    labels outside the model's classes, each counted as a mistake; ``unweighted``: records without a
    sampling weight, left out because others have one; ``newest``: when the newest prediction with a
    label was made.
    """

    state: State
    reason: str
    images: int
    effective: float
    accuracy: Interval | None
    reference: float | None
    drop: float | None
    drop_low: float | None
    drop_high: float | None
    classes: tuple[ClassAccuracy, ...]
    strangers: int
    unweighted: int
    newest: datetime | None = None


def measure_accuracy(
    records: Sequence[Record],
    labels: Sequence[Label],
    reference: Reference | None,
    *,
    disagreeing: NDArray[np.bool_] | None = None,
    disagreement: Proportion | None = None,
    settings: AccuracySettings | None = None,
) -> AccuracyReport:
    """Accuracy, recall and precision of the records that have a label.

    ``labels``: the classes of the version, in order. Of those that ``monitor.accuracy.harm`` lists,
    half have disagreement, many more than in the window: with ``disagreeing`` (bool [n], of each
    record) and its proportion in the whole window, ``disagreement``, they are weighted back to it
    (``Stratified``). This holds since they are drawn at random among those with disagreement, and
    among the others; it cannot correct for labels that people give only where they see a mistake.
    Where enough of the labels were asked for, only these count.
    """
    settings = settings or AccuracySettings()
    labelled = rows = [
        row
        for row, record in enumerate(records)
        if record.truth is not None and record.status == 200
    ]
    asked = [row for row in rows if records[row].drawn in _DRAWN]
    if len(asked) >= settings.min_labels:
        rows = asked
    weighted = [row for row in rows if records[row].weight is not None]
    chosen = weighted or rows
    index_of = {label_key(label): index for index, label in enumerate(labels)}
    truth = np.array([index_of.get(label_key(records[row].truth), -1) for row in chosen], np.int64)
    predicted = np.array(
        [index_of.get(label_key(records[row].label), -2) for row in chosen], np.int64
    )
    weights = np.array([records[row].weight or 1.0 for row in chosen], dtype=np.float64)
    right = Proportion.of(truth == predicted, weights)
    if disagreeing is not None and disagreement is not None and chosen:
        mask = disagreeing[chosen]
        share = disagreement.value
        strata = (mask, share, weights), (~mask, 1 - share, weights)
        right = Stratified.over(truth == predicted, strata, disagreement.size)
        weights = balanced(weights, mask, share)
    before = _reference_accuracy(reference)
    low, high = (None, None) if before is None else difference(before, right)
    classes = _classes(labels, truth, predicted, weights, reference, 1 - settings.level)
    correct = int((truth == predicted).sum())
    state, reason = _judge(right, correct, len(chosen), before, classes, settings)
    return AccuracyReport(
        state=state,
        reason=reason,
        images=len(chosen),
        effective=right.size,
        accuracy=right.interval() if chosen else None,
        reference=None if before is None else before.value,
        drop=before.value - right.value if before is not None and chosen else None,
        drop_low=low if chosen else None,
        drop_high=high if chosen else None,
        classes=classes,
        strangers=int((truth == -1).sum()),
        unweighted=len(rows) - len(chosen),
        newest=max((records[row].at for row in labelled), default=None),
    )


def balanced(weights: Floats, mask: NDArray[np.bool_], proportion: float) -> Floats:
    """Weights with which the images in ``mask`` are ``proportion`` of all; unchanged if all images
    are in it, or none."""
    strata = (mask, proportion), (~mask, 1 - proportion)
    if not all(stratum.any() and part > 0 for stratum, part in strata):
        return weights
    result = weights.copy()
    for stratum, part in strata:
        result[stratum] *= part / weights[stratum].sum()
    return result


def _classes(
    labels: Sequence[Label],
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    weights: Floats,
    reference: Reference | None,
    alpha: float,
) -> tuple[ClassAccuracy, ...]:
    # Two tests for each class: Bonferroni.
    level = 1 - alpha / (2 * len(labels))
    classes = []
    for index, label in enumerate(labels):
        recall = Proportion.of(predicted[truth == index] == index, weights[truth == index])
        precision = Proportion.of(truth[predicted == index] == index, weights[predicted == index])
        before_recall, before_precision = _reference_class(reference, index)
        pairs = (before_recall, recall), (before_precision, precision)
        classes.append(
            ClassAccuracy(
                label=label,
                images=int((truth == index).sum()),
                predicted=int((predicted == index).sum()),
                recall=recall.interval() if recall.size else None,
                precision=precision.interval() if precision.size else None,
                reference_recall=before_recall.value if before_recall.size else None,
                reference_precision=before_precision.value if before_precision.size else None,
                worse=any(
                    before.size and now.size and difference(before, now, level)[0] > 0
                    for before, now in pairs
                ),
            )
        )
    return tuple(classes)


def _reference_accuracy(reference: Reference | None) -> Proportion | None:
    if reference is None or not len(reference):
        return None
    return Proportion.of(reference.probabilities.argmax(axis=1) == reference.labels)


def _reference_class(reference: Reference | None, index: int) -> tuple[Proportion, Proportion]:
    """Recall and precision of a class."""
    if reference is None:
        return Proportion(0.0, 0.0), Proportion(0.0, 0.0)
    predicted = reference.probabilities.argmax(axis=1)
    return (
        Proportion.of(predicted[reference.labels == index] == index),
        Proportion.of(reference.labels[predicted == index] == index),
    )


def _judge(
    right: Proportion,
    correct: int,
    images: int,
    before: Proportion | None,
    classes: Sequence[ClassAccuracy],
    settings: AccuracySettings,
) -> tuple[State, str]:
    if not images:
        return "unknown", "No predictions are labelled yet."
    interval = right.interval()
    weighted = ""
    if abs(right.value * images - correct) >= 0.5:
        # A reader who divides gets another number.
        weighted = f", of which {correct:,} are right, weighted to all predictions"
    text = (
        f"Accuracy is {_points(right.value)} on {counted(images, 'labelled prediction')}{weighted} "
        f"(95% confidence interval {_points(interval.low)} to {_points(interval.high)})"
    )
    if before is None:
        return "unknown", f"{text}; the version has no reference to compare with."
    text = f"{text}, compared with {_points(before.value)} on the reference"
    minimum = settings.min_labels
    if right.size < minimum:
        worth = f" (weighted, they count as {right.size:.0f})" if images >= minimum else ""
        return "unknown", f"{text}. Too few labels to judge{worth}: at least {minimum} are needed."
    worse = [accuracy for accuracy in classes if accuracy.worse]
    if difference(before, right, settings.level)[0] > 0:
        lost = before.value - right.value
        state: State = "alarm" if lost > settings.drop else "warn"
        where = f", mostly in {_named(worse)}" if worse else ""
        return state, f"{text}: a drop of {100 * lost:.1f} points{where}."
    if worse:
        return "warn", f"{text}: no drop overall, but in {_named(worse)}."
    return "calm", f"{text}: no drop beyond chance."


def _named(classes: Sequence[ClassAccuracy]) -> str:
    names = ", ".join(
        f"{worse.label!r}" + (f" (recall {percent(worse.recall.value)})" if worse.recall else "")
        for worse in classes[:5]
    )
    return f"{'class' if len(classes) == 1 else 'classes'} {names}"


def _points(proportion: float) -> str:
    """A percentage with one decimal, which a comparison needs."""
    return f"{100 * proportion:.1f}%"
