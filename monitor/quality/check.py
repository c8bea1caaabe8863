"""One check of a window's images or labels: what it found, and whether that is too much."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from monitor.frozen import Frozen
from monitor.phrasing import percent
from monitor.proportions import Proportion
from monitor.window.images import DecodedImages
from monitor.window.labels import given_labels
from records.reports import State
from records.windows import Record

CheckName = Literal[
    "unreadable images",
    "rejected requests",
    "blank images",
    "near-duplicates",
    "unusual sizes",
    "unusual shapes",
    "wrong polarity",
    "class imbalance",
    "labels outside the classes",
    "conflicting labels",
]

THRESHOLDS: dict[CheckName, float] = {
    "unreadable images": 0.01,
    "rejected requests": 0.05,
    "blank images": 0.01,
    "near-duplicates": 0.05,
    "unusual sizes": 0.05,
    "unusual shapes": 0.05,
    "wrong polarity": 0.02,
    "class imbalance": 0.0,
    "labels outside the classes": 0.0,
    "conflicting labels": 0.01,
}
"""The proportion of images, labels or requests that is still calm."""

P_VALUE = 0.0027
"""Below it, so many do not exceed the threshold by chance; as ``AlarmRule.warn``."""
ALARM_PROPORTION = 0.25
"""At this proportion and above, invalid images are an alarm."""
MIN_SAMPLE = 10
"""Fewer images, or labels, are not judged."""
MAX_ROWS = 100

_ABOUT_IMAGES: frozenset[CheckName] = frozenset(
    (
        "unreadable images",
        "rejected requests",
        "blank images",
        "unusual sizes",
        "unusual shapes",
        "wrong polarity",
    )
)


class Check(Frozen):
    """The result of one check.

    ``threshold``: the proportion that is still calm, including the reference's own; ``count``: the
    images, labels or requests found; ``share``: their proportion of all, as if every request had
    been recorded, None without anything to check; ``rows``: their indices among the records, up to
    100; ``words``: a sentence about them.
    """

    name: CheckName
    state: State
    threshold: float
    count: int
    share: float | None
    rows: tuple[int, ...]
    words: str


@dataclass(frozen=True, eq=False)
class CheckedWindow:
    """The records of a window and their images, as the checks need them."""

    records: Sequence[Record]
    decoded: DecodedImages

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """float64 [n]: how many requests each record stands for."""
        return np.array([record.weight or 1.0 for record in self.records], dtype=np.float64)

    @cached_property
    def labelled(self) -> tuple[int, ...]:
        """Rows of the records with a label, disputed or not."""
        return tuple(row for row, record in enumerate(self.records) if given_labels(record))

    @cached_property
    def images(self) -> list[int]:
        """Rows of the records whose image can be decoded."""
        return [int(row) for row in self.decoded.rows]

    def rows(self, mask: NDArray[np.bool_]) -> list[int]:
        """Rows of the images where ``mask``, bool [images], is True."""
        return [int(row) for row in self.decoded.rows[mask]]

    def check(
        self,
        name: CheckName,
        among: Sequence[int],
        rows: Sequence[int],
        text: str,
        *,
        usual: float = 0.0,
        of: str = "images",
    ) -> Check:
        """Whether ``rows`` are too many of ``among``; ``usual``: the proportion in the reference;
        ``text`` follows "5% of the images", or "None of the images"."""
        if not among:
            return unknown(name, f"There are no {of} to check.")
        chosen = set(rows)
        mask = np.array([row in chosen for row in among], dtype=bool)
        proportion = Proportion.of(mask, self.weights[list(among)])
        return judged(name, proportion, len(rows), rows, f"of the {of} {text}", usual=usual)


def judged(
    name: CheckName,
    proportion: Proportion,
    count: int,
    rows: Sequence[int],
    text: str,
    *,
    usual: float = 0.0,
) -> Check:
    """The check with its state; ``text`` follows "5%", or "None"."""
    threshold = THRESHOLDS[name] + usual
    state: State = "calm"
    if threshold > 0 and proportion.size < MIN_SAMPLE:
        state = "unknown"
    elif above(proportion, threshold):
        alarming = name in _ABOUT_IMAGES and proportion.value >= ALARM_PROPORTION + usual
        state = "alarm" if alarming else "warn"
    return Check(
        name=name,
        state=state,
        threshold=threshold,
        count=count,
        share=proportion.value,
        rows=tuple(rows[:MAX_ROWS]),
        words=f"{percent(proportion.value)} {text}." if count else f"None {text}.",
    )


def above(proportion: Proportion, threshold: float) -> bool:
    """Whether it exceeds the threshold, and not by chance: an exact binomial test."""
    if proportion.value <= threshold:
        return False
    size = max(1, round(proportion.size))
    return float(binom.sf(round(proportion.value * size) - 1, size, threshold)) < P_VALUE


def unknown(name: CheckName, reason: str) -> Check:
    """A check that is not possible, and why."""
    return Check(
        name=name,
        state="unknown",
        threshold=THRESHOLDS[name],
        count=0,
        share=None,
        rows=(),
        words=reason,
    )
