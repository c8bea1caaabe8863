"""Counts of all that was asked, whether it is kept or not.

Statuses and labels are counted for each image, a batch's items too; times for each request. A count
costs some tenths of a microsecond.
"""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import numpy as np

from models.manifest import Label

TrafficKey = tuple[datetime, str, str, str, str, str]
"""What ``records.writer`` takes: minute, model, version, role, kind and key."""

ROLE = "champion"

# Upper bounds in seconds.
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_BUCKETS = (*map(str, _BOUNDS), "+Inf")


class Tally:
    """What one version answered within one minute, or a part of it."""

    __slots__ = ("_labels", "_model", "_version", "places", "statuses", "times")

    def __init__(self, model: str, version: str, labels: Sequence[Label]) -> None:
        self._model = model
        self._version = version
        self._labels = labels
        self.times = array("d")
        """How long each request took, in seconds; their buckets are found later, on a thread."""
        self.places = [0] * len(labels)
        """Predictions, by the place of their label."""
        self.statuses: Counter[int] = Counter()
        """Images without a prediction, by their status."""

    def counts(self, minute: datetime) -> Iterator[tuple[TrafficKey, int]]:
        """All that are not zero."""
        failed = [(str(int(status)), count) for status, count in self.statuses.items()]
        # As records has labels: in JSON, so that 8 and "8" differ.
        labels = zip(map(json.dumps, self._labels), self.places, strict=True)
        kinds: tuple[tuple[str, Iterable[tuple[str, int]]], ...] = (
            ("status", [("200", sum(self.places)), *failed]),
            ("latency", zip(_BUCKETS, self._buckets(), strict=True)),
            ("label", labels),
        )
        for kind, found in kinds:
            for key, count in found:
                if count:
                    yield (minute, self._model, self._version, ROLE, kind, key), count

    def _buckets(self) -> list[int]:
        places = np.searchsorted(_BOUNDS, self.times)
        return [int(count) for count in np.bincount(places, minlength=len(_BUCKETS))]


def minute_of(seconds: float) -> datetime:
    """The minute of a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds // 60 * 60, UTC)
