"""Checks of the labels: does the model know them, do they agree, does every class come."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.stats import binom

from models.manifest import Label
from models.reference import Reference
from monitor.phrasing import percent
from monitor.proportions import Share
from monitor.quality.check import LEAST, P_VALUE, ROWS, Check, Seen, given, key, unknown

FAR_CLASS = 3.0
_NAMED = 5


def strangers(seen: Seen, labels: Sequence[Label]) -> Check:
    """Labels of classes that the model does not have; one is worth a word already."""
    known = {key(label) for label in labels}
    found = {
        row: [label for label in given(seen.records[row]) if key(label) not in known]
        for row in seen.labelled
    }
    rows = [row for row, some in found.items() if some]
    counts = Counter(repr(label) for row in rows for label in found[row])
    named = ", ".join(label for label, _ in counts.most_common(_NAMED))
    words = f"are of classes that the model does not know{': ' if named else ''}{named}"
    return seen.check("labels outside the classes", seen.labelled, rows, words, of="labels")


def conflicts(seen: Seen) -> Check:
    """Two sources that disagree, or the same pixels with two labels."""
    rows = {row for row in seen.labelled if seen.records[row].conflict}
    same: defaultdict[bytes, dict[int, object]] = defaultdict(dict)
    for pixels, row in zip(seen.decoded.pixels, seen.images, strict=True):
        truth = seen.records[row].truth
        if truth is not None:
            same[pixels.tobytes()][row] = key(truth)
    for group in same.values():
        if len(set(group.values())) > 1:
            rows.update(group)
    words = "contradict another, of the same request or of the same pixels"
    return seen.check("conflicting labels", seen.labelled, sorted(rows), words, of="labels")


def imbalance(seen: Seen, reference: Reference | None, labels: Sequence[Label]) -> Check:
    """Classes that come, as labels or else predictions, three times as often as in the reference,
    or as seldom, and not by chance: an exact binomial test of each, by Bonferroni."""
    known = {key(label): place for place, label in enumerate(labels)}
    said = {
        row: known.get(key(one.label if one.truth is None else one.truth))
        for row, one in enumerate(seen.records)
    }
    places = {row: place for row, place in said.items() if place is not None}
    if reference is None or not len(reference) or len(places) < LEAST:
        return unknown("class imbalance", "There are too few labels or predictions to tell.")
    usual = np.bincount(reference.labels, minlength=len(labels)) / len(reference)
    came, weights = np.array(list(places.values())), seen.weights[list(places)]
    shares = [Share.of(came == place, weights) for place in range(len(labels))]
    far = [
        place
        for place, share in enumerate(shares)
        if _is_far(share, max(float(usual[place]), 1 / len(reference)), P_VALUE / len(labels))
    ]
    rows = [row for row, place in places.items() if place in far]
    words = "; ".join(
        f"class {labels[place]!r} is {percent(shares[place].value)} of the images, and "
        f"{percent(float(usual[place]))} of the reference"
        for place in far[:_NAMED]
    )
    return Check(
        name="class imbalance",
        state="warn" if far else "calm",
        threshold=0.0,
        count=len(rows),
        share=sum(shares[place].value for place in far),
        rows=tuple(rows[:ROWS]),
        words=f"{words[0].upper()}{words[1:]}."
        if far
        else "No class comes three times as often as in the reference, or as seldom.",
    )


def _is_far(share: Share, usual: float, p_value: float) -> bool:
    size = max(1, round(share.size))
    count = round(share.value * size)
    if share.value >= FAR_CLASS * usual:
        return float(binom.sf(count - 1, size, usual)) < p_value
    return share.value * FAR_CLASS <= usual and float(binom.cdf(count, size, usual)) < p_value
