"""Where each prediction is that may be kept: every one is in exactly one account, at any moment.

    answered + disagreeing + unknown = unsampled + waiting + written + dropped

Each account is a metric, changed when a prediction moves and not from time to time: so the sums are
right when a worker is killed, whose waiting ones the supervisor moves to the dropped.
"""

import time
from collections.abc import Sequence

from internals_metrics import adding
from records.prediction import KeptPrediction
from serving.metrics import (
    RECORDS_CURRENT,
    RECORDS_DISAGREEING,
    RECORDS_DROPPED,
    RECORDS_LAST_WRITE,
    RECORDS_UNKNOWN,
    RECORDS_UNSAMPLED,
    RECORDS_WAITING,
    RECORDS_WAITING_BYTES,
    RECORDS_WRITTEN,
)

# Memory of a prediction without its image.
_PREDICTION_BYTES = 1000


class Ledger:
    """Of one worker. The event loop takes and replaces, the flusher's thread writes and drops."""

    def __init__(self, max_bytes: int) -> None:
        """``max_bytes``: memory that the waiting ones may take."""
        self._max_bytes = max_bytes
        self._taken = self._taken_bytes = 0
        self._released = self._released_bytes = 0
        self._wait = adding(RECORDS_WAITING)
        self._wait_bytes = adding(RECORDS_WAITING_BYTES)
        self.leave_out = adding(RECORDS_UNSAMPLED)
        """That many were not chosen; on the path of each prediction."""
        self.is_current()

    @property
    def waiting(self) -> int:
        return self._taken - self._released

    @property
    def is_filling(self) -> bool:
        """Whether they take more than a quarter of the memory that they may."""
        return self._taken_bytes - self._released_bytes > self._max_bytes / 4

    @property
    def is_crowded(self) -> bool:
        """Whether they take more than half of the memory that they may."""
        return self._taken_bytes - self._released_bytes > self._max_bytes / 2

    def take(self, prediction: KeptPrediction) -> bool:
        """It is to be kept: it waits, if there is memory for it; else it is dropped."""
        size = memory_bytes(prediction)
        if self._taken_bytes + size - self._released_bytes > self._max_bytes:
            RECORDS_DROPPED.labels("memory").inc()
            return False
        self._taken += 1
        self._taken_bytes += size
        self._wait(1)
        self._wait_bytes(size)
        return True

    def take_disagreeing(self, prediction: KeptPrediction) -> bool:
        """The same for one that was left out."""
        RECORDS_DISAGREEING.inc()
        return self.take(prediction)

    def take_unknown(self, prediction: KeptPrediction) -> bool:
        """The same, of one whose image turned out to be unknown; on the flusher's thread."""
        size = memory_bytes(prediction)
        if self._taken_bytes + size - self._released_bytes > self._max_bytes:
            return False
        RECORDS_UNKNOWN.inc()
        self._released -= 1
        self._released_bytes -= size
        self._wait(1)
        self._wait_bytes(size)
        return True

    def replace(self, prediction: KeptPrediction) -> None:
        """Another one was chosen in its place."""
        size = memory_bytes(prediction)
        self._taken -= 1
        self._taken_bytes -= size
        self._wait(-1)
        self._wait_bytes(-size)
        self.leave_out(1)

    def written(self, predictions: Sequence[KeptPrediction]) -> None:
        """They are in the database."""
        RECORDS_WRITTEN.inc(len(predictions))
        RECORDS_LAST_WRITE.set(time.time())
        self._release(predictions)

    def dropped(self, predictions: Sequence[KeptPrediction], reason: str) -> None:
        """They never will be."""
        RECORDS_DROPPED.labels(reason).inc(len(predictions))
        self._release(predictions)

    def shrunk(self, size: int) -> None:
        """One of the waiting ones takes so many bytes less."""
        self._released_bytes += size
        self._wait_bytes(-size)

    def is_current(self) -> None:
        """Nothing waits that could be written by now."""
        RECORDS_CURRENT.set(time.time())

    def _release(self, predictions: Sequence[KeptPrediction]) -> None:
        size = sum(map(memory_bytes, predictions))
        self._released += len(predictions)
        self._released_bytes += size
        self._wait(-len(predictions))
        self._wait_bytes(-size)


def memory_bytes(prediction: KeptPrediction) -> int:
    """Approximate bytes of memory that it takes."""
    return _PREDICTION_BYTES + len(prediction.image or b"")
