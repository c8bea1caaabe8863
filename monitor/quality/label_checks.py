"""Checks of the labels: are they classes of the model, consistent, and as frequent as before?"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.stats import binom

from labels import label_key
from models.manifest import Label
from models.reference import Reference
from monitor.phrasing import capitalized, percent
from monitor.proportions import Proportion
from monitor.quality.check import MAX_ROWS, MIN_SAMPLE, P_VALUE, Check, CheckedWindow, unknown
from monitor.window.labels import given_labels

FAR_CLASS = 3.0
_NAMED = 5


def outside_classes(window: CheckedWindow, labels: Sequence[Label]) -> Check:
    """Labels of classes that the model does not have; a single one is worth a warning."""
    known = {label_key(label) for label in labels}
    outside = {
        row: [label for label in given_labels(window.records[row]) if label_key(label) not in known]
        for row in window.labelled
    }
    rows = [row for row, given in outside.items() if given]
    counts = Counter(repr(label) for row in rows for label in outside[row])
    named = ", ".join(label for label, _ in counts.most_common(_NAMED))
    text = f"are outside the model's classes{': ' if named else ''}{named}"
    return window.check("labels outside the classes", window.labelled, rows, text, of="labels")


def conflicts(window: CheckedWindow) -> Check:
    """Two sources that disagree, or the same pixels with two labels."""
    rows = {row for row in window.labelled if window.records[row].conflict}
    same: defaultdict[bytes, dict[int, object]] = defaultdict(dict)
    for pixels, row in zip(window.decoded.pixels, window.images, strict=True):
        truth = window.records[row].truth
        if truth is not None:
            same[pixels.tobytes()][row] = label_key(truth)
    for group in same.values():
        if len(set(group.values())) > 1:
            rows.update(group)
    text = "conflict with another label of the same request or the same pixels"
    return window.check("conflicting labels", window.labelled, sorted(rows), text, of="labels")


def imbalance(window: CheckedWindow, reference: Reference | None, labels: Sequence[Label]) -> Check:
    """Classes that are three times more or less frequent, among labels or else predictions, than in
    the reference, and not by chance: an exact binomial test of each, with Bonferroni."""
    if reference is None or not len(reference):
        return unknown("class imbalance", "The version has no reference to compare with.")
    known = {label_key(label): index for index, label in enumerate(labels)}
    class_of = {}
    for row, record in enumerate(window.records):
        label = record.label if record.truth is None else record.truth
        index = known.get(label_key(label))
        if index is not None:
            class_of[row] = index
    if len(class_of) < MIN_SAMPLE:
        return unknown("class imbalance", "There are too few labels or predictions to compare.")
    usual = np.bincount(reference.labels, minlength=len(labels)) / len(reference)
    indices, weights = np.array(list(class_of.values())), window.weights[list(class_of)]
    proportions = [Proportion.of(indices == index, weights) for index in range(len(labels))]
    far = [
        index
        for index, proportion in enumerate(proportions)
        if _is_far(proportion, max(float(usual[index]), 1 / len(reference)), P_VALUE / len(labels))
    ]
    rows = [row for row, index in class_of.items() if index in far]
    text = "; ".join(
        f"class {labels[index]!r} makes up {percent(proportions[index].value)} of the images and "
        f"{percent(float(usual[index]))} of the reference"
        for index in far[:_NAMED]
    )
    return Check(
        name="class imbalance",
        state="warn" if far else "calm",
        threshold=0.0,
        count=len(rows),
        share=sum(proportions[index].value for index in far),
        rows=tuple(rows[:MAX_ROWS]),
        words=f"{capitalized(text)}."
        if far
        else "No class is three times more or less frequent than in the reference.",
    )


def _is_far(proportion: Proportion, usual: float, p_value: float) -> bool:
    size = max(1, round(proportion.size))
    count = round(proportion.value * size)
    if proportion.value >= FAR_CLASS * usual:
        return float(binom.sf(count - 1, size, usual)) < p_value
    rare = proportion.value * FAR_CLASS <= usual
    return rare and float(binom.cdf(count, size, usual)) < p_value
