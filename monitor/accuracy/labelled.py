"""How often a model was right in a window where labels came; without labels, see ``harm``."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.manifest import Interval, Label
from models.reference import Reference
from monitor.phrasing import percent
from monitor.proportions import Share, difference
from monitor.quality.check import key
from records.reports import State
from records.windows import Record

Floats = NDArray[np.float64]


class AccuracySettings(BaseModel):
    """``drop``: points of accuracy, as a share, whose loss is an alarm; ``level``: of the interval
    of the drop that must be above 0; ``least``: labels below which there is no verdict."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drop: float = Field(default=0.05, gt=0, lt=1)
    level: float = Field(default=0.99, gt=0.5, lt=1)
    least: int = Field(default=30, ge=5)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassAccuracy(_Frozen):
    """One class. ``images``: labels of it, ``predicted``: predictions; None where there are none.

    ``worse``: recall or precision has dropped by more than chance explains, of all classes' two.
    """

    label: Label
    images: int
    predicted: int
    recall: Interval | None
    precision: Interval | None
    reference_recall: float | None
    reference_precision: float | None
    worse: bool


class AccuracyReport(_Frozen):
    """What the labels say.

    ``images``: predictions with a label that no source disputes; ``effective``: as many without
    weights would say the same (Kish); ``accuracy``: with its 95 % interval; ``drop``: the
    reference's accuracy less this one, with its 95 % interval in ``drop_low`` and ``drop_high``;
    ``strangers``: labels of classes the model does not know, each a mistake; ``unweighted``:
    records left out because the others have sampling weights and these have none.
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


def measure_accuracy(
    records: Sequence[Record],
    labels: Sequence[Label],
    reference: Reference | None,
    *,
    dissent: NDArray[np.bool_] | None = None,
    dissent_share: float | None = None,
    settings: AccuracySettings | None = None,
) -> AccuracyReport:
    """Accuracy, recall and precision of the records that have a label.

    ``labels``: the classes of the version, in order. If the records were labelled because
    ``monitor.accuracy.harm`` named them, they are harder than the window: with ``dissent`` (bool
    [n], of each record) and its share in the whole window they are weighted back to it, by
    post-stratification (Holt and Smith, Journal of the Royal Statistical Society A 142, 1979).
    Labels that people give only where they see a mistake cannot be mended so.
    """
    rule = settings or AccuracySettings()
    rows = [row for row, one in enumerate(records) if one.truth is not None and one.status == 200]
    weighted = [row for row in rows if records[row].weight is not None]
    chosen = weighted or rows
    places = {key(label): place for place, label in enumerate(labels)}
    truth = np.array([places.get(key(records[row].truth), -1) for row in chosen], dtype=np.int64)
    said = np.array([places.get(key(records[row].label), -2) for row in chosen], dtype=np.int64)
    weights = np.array([records[row].weight or 1.0 for row in chosen], dtype=np.float64)
    if dissent is not None and dissent_share is not None:
        weights = balanced(weights, dissent[chosen], dissent_share)
    right = Share.of(truth == said, weights)
    known = _reference_share(reference)
    low, high = (None, None) if known is None else difference(known, right)
    classes = _classes(labels, truth, said, weights, reference, 1 - rule.level)
    state, reason = _verdict(right, len(chosen), known, classes, rule)
    return AccuracyReport(
        state=state,
        reason=reason,
        images=len(chosen),
        effective=right.size,
        accuracy=right.interval() if chosen else None,
        reference=None if known is None else known.value,
        drop=known.value - right.value if known is not None and chosen else None,
        drop_low=low if chosen else None,
        drop_high=high if chosen else None,
        classes=classes,
        strangers=int((truth == -1).sum()),
        unweighted=len(rows) - len(chosen),
    )


def balanced(weights: Floats, dissent: NDArray[np.bool_], share: float) -> Floats:
    """Weights with which the images with ``dissent`` are ``share`` of all; as they are where one of
    the two kinds is missing."""
    kinds = (dissent, share), (~dissent, 1 - share)
    if not all(mask.any() and part > 0 for mask, part in kinds):
        return weights
    result = weights.copy()
    for mask, part in kinds:
        result[mask] *= part / weights[mask].sum()
    return result


def _classes(
    labels: Sequence[Label],
    truth: NDArray[np.int64],
    said: NDArray[np.int64],
    weights: Floats,
    reference: Reference | None,
    doubt: float,
) -> tuple[ClassAccuracy, ...]:
    # Each class has two chances to look worse: Bonferroni.
    level = 1 - doubt / (2 * len(labels))
    found = []
    for place, label in enumerate(labels):
        recall = Share.of(said[truth == place] == place, weights[truth == place])
        precision = Share.of(truth[said == place] == place, weights[said == place])
        before_recall, before_precision = _reference_class(reference, place)
        pairs = (before_recall, recall), (before_precision, precision)
        found.append(
            ClassAccuracy(
                label=label,
                images=int((truth == place).sum()),
                predicted=int((said == place).sum()),
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
    return tuple(found)


def _reference_share(reference: Reference | None) -> Share | None:
    if reference is None or not len(reference):
        return None
    return Share.of(reference.probabilities.argmax(axis=1) == reference.labels)


def _reference_class(reference: Reference | None, place: int) -> tuple[Share, Share]:
    if reference is None:
        return Share(0.0, 0.0), Share(0.0, 0.0)
    said = reference.probabilities.argmax(axis=1)
    return (
        Share.of(said[reference.labels == place] == place),
        Share.of(reference.labels[said == place] == place),
    )


def _verdict(
    right: Share,
    images: int,
    known: Share | None,
    classes: Sequence[ClassAccuracy],
    rule: AccuracySettings,
) -> tuple[State, str]:
    if not images:
        return "unknown", "No prediction has a label yet."
    interval = right.interval()
    text = (
        f"{_points(right.value)} of {images:,} labelled predictions are right "
        f"({_points(interval.low)} to {_points(interval.high)})"
    )
    if known is None:
        return "unknown", f"{text}; the version has no reference to compare with."
    text = f"{text}, and {_points(known.value)} of the reference"
    if right.size < rule.least:
        worth = f", for they weigh as much as {right.size:.0f}" if images >= rule.least else ""
        return "unknown", f"{text}: too few to tell{worth}, {rule.least} are the least."
    worse = [one for one in classes if one.worse]
    if difference(known, right, rule.level)[0] > 0:
        lost = known.value - right.value
        state: State = "alarm" if lost > rule.drop else "warn"
        return state, f"{text}: {100 * lost:.1f} points were lost{_named(worse)}."
    if worse:
        return "warn", f"{text}, but some classes are worse{_named(worse)}."
    return "calm", f"{text}: no loss beyond chance."


def _named(classes: Sequence[ClassAccuracy]) -> str:
    if not classes:
        return ""
    names = ", ".join(
        f"{one.label!r}" + (f" (recall {percent(one.recall.value)})" if one.recall else "")
        for one in classes[:5]
    )
    return f", most clearly in class {names}" if len(classes) == 1 else f", in classes {names}"


def _points(share: float) -> str:
    """With the decimal that a comparison needs."""
    return f"{100 * share:.1f} %"
