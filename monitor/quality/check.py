"""One look at a window's images or labels: what it found, and whether that is too much."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.stats import binom

from models.manifest import Label
from monitor.phrasing import percent
from monitor.proportions import Share
from monitor.window.images import Decoded
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
"""The share of images, labels or requests up to which all is calm."""

P_VALUE = 0.0027
"""That so many come by chance, were the threshold their share; as ``AlarmRule.warn``."""
ALARM_SHARE = 0.25
"""From this share on, a fault of the images is an alarm."""
LEAST = 10
"""Fewer images, or labels, tell nothing of shares."""
ROWS = 100

_FAULTS_OF_IMAGES: frozenset[CheckName] = frozenset(
    (
        "unreadable images",
        "rejected requests",
        "blank images",
        "unusual sizes",
        "unusual shapes",
        "wrong polarity",
    )
)


class Check(BaseModel):
    """One look at a window.

    ``threshold``: the share up to which all is calm, the reference's own added; ``count``: images,
    labels or requests it means; ``share``: theirs of all, as if every request had been recorded,
    None where there is nothing to look at; ``rows``: their places among the records, up to 100.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: CheckName
    state: State
    threshold: float
    count: int
    share: float | None
    rows: tuple[int, ...]
    words: str


@dataclass(frozen=True, eq=False)
class Seen:
    """The records of a window, and their images."""

    records: Sequence[Record]
    decoded: Decoded

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """float64 [n]: how many requests each record stands for."""
        return np.array([one.weight or 1.0 for one in self.records], dtype=np.float64)

    @cached_property
    def labelled(self) -> tuple[int, ...]:
        """Rows of the records with a label, disputed ones too."""
        return tuple(row for row, one in enumerate(self.records) if given(one))

    @cached_property
    def images(self) -> list[int]:
        """Rows of the records with an image that can be read."""
        return [int(row) for row in self.decoded.rows]

    def rows(self, mask: NDArray[np.bool_]) -> list[int]:
        """Rows of the images where ``mask``, bool [images], is True."""
        return [int(row) for row in self.decoded.rows[mask]]

    def check(
        self,
        name: CheckName,
        among: Sequence[int],
        rows: Sequence[int],
        words: str,
        *,
        usual: float = 0.0,
        of: str = "images",
    ) -> Check:
        """Whether ``rows`` are too many of ``among``; ``usual``: the reference's own share."""
        if not among:
            return unknown(name, f"There are no {of} to look at.")
        meant = set(rows)
        mask = np.array([row in meant for row in among], dtype=bool)
        share = Share.of(mask, self.weights[list(among)])
        return judged(name, share, len(rows), rows, f"of the {of} {words}", usual=usual)


def judged(
    name: CheckName,
    share: Share,
    count: int,
    rows: Sequence[int],
    words: str,
    *,
    usual: float = 0.0,
) -> Check:
    """The check with its state; ``words`` follow a number, or No."""
    threshold = THRESHOLDS[name] + usual
    state: State = "calm"
    if threshold > 0 and share.size < LEAST:
        state = "unknown"
    elif above(share, threshold):
        alarming = name in _FAULTS_OF_IMAGES and share.value >= ALARM_SHARE + usual
        state = "alarm" if alarming else "warn"
    return Check(
        name=name,
        state=state,
        threshold=threshold,
        count=count,
        share=share.value,
        rows=tuple(rows[:ROWS]),
        words=f"{percent(share.value)} {words}." if count else f"None {words}.",
    )


def above(share: Share, threshold: float) -> bool:
    """Whether the share is above the threshold, and not by chance: an exact binomial test."""
    if share.value <= threshold:
        return False
    size = max(1, round(share.size))
    return float(binom.sf(round(share.value * size) - 1, size, threshold)) < P_VALUE


def unknown(name: CheckName, words: str) -> Check:
    """A check that cannot be made, and why."""
    return Check(
        name=name,
        state="unknown",
        threshold=THRESHOLDS[name],
        count=0,
        share=None,
        rows=(),
        words=words,
    )


def given(record: Record) -> tuple[Label, ...]:
    """Every label that a source gave."""
    labels = tuple(label for _, label in record.labels)
    return labels or (() if record.truth is None else (record.truth,))


def key(label: Label | None) -> tuple[str, Label | None]:
    """8 and '8' are two labels."""
    return type(label).__name__, label
