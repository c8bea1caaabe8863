"""Counts of everything that is asked, kept or not.

Statuses and labels are counted once for each image, including those of a batch; durations once for
each request. A count costs some tenths of a microsecond.
"""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from models.manifest import Label
from records.routing import CHAMPION, Role

if TYPE_CHECKING:
    from records.traffic import TrafficKey

# Upper bounds in seconds.
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_BUCKETS = (*map(str, _BOUNDS), "+Inf")


class Tally:
    """What one version answered within one minute, or a part of it."""

    __slots__ = (
        "_labels", "_model", "_role", "_version", "durations", "events", "predictions", "statuses",
    )  # fmt: skip

    def __init__(
        self, model: str, version: str, labels: Sequence[Label], role: Role = CHAMPION
    ) -> None:
        self._role = role
        self._model = model
        self._version = version
        self._labels = labels
        self.durations = array("d")
        """Seconds that each request took; sorted into buckets later, on a thread."""
        self.predictions = [0] * len(labels)
        """Number of predictions, by the index of their label."""
        self.statuses: Counter[int] = Counter()
        """Number of images without a prediction, by status."""
        self.events: Counter[tuple[str, str]] = Counter()
        """Whatever else is counted, by kind and key."""

    def counts(self, minute: datetime) -> Iterator[tuple["TrafficKey", int]]:
        """All that are not zero."""
        failed = [(str(int(status)), count) for status, count in self.statuses.items()]
        # Labels as JSON, as records store them: 8 and "8" differ.
        labels = zip(map(json.dumps, self._labels), self.predictions, strict=True)
        kinds: tuple[tuple[str, Iterable[tuple[str, int]]], ...] = (
            ("status", [("200", sum(self.predictions)), *failed]),
            ("latency", zip(_BUCKETS, self._buckets(), strict=True)),
            ("label", labels),
        )
        for kind, counts in kinds:
            for key, count in counts:
                if count:
                    yield (minute, self._model, self._version, self._role, kind, key), count
        for (kind, key), count in self.events.items():
            yield (minute, self._model, self._version, self._role, kind, key), count

    def _buckets(self) -> list[int]:
        indexes = np.searchsorted(_BOUNDS, self.durations)
        return [int(count) for count in np.bincount(indexes, minlength=len(_BUCKETS))]


def minute_of(seconds: float) -> datetime:
    """The minute of a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds // 60 * 60, UTC)
