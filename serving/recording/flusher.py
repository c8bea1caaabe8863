"""The thread that writes what a recorder hands over; the event loop never waits for it."""

import logging
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from errors import DatabaseError, RecordsError, SchemaError
from models.manifest import Label
from serving.metrics import RECORDS_DROPPED, RECORDS_WRITTEN
from serving.recording.connection import RecordsConnection
from serving.recording.sampling import Sampled
from serving.recording.traffic import ROLE, Tally, TrafficKey

if TYPE_CHECKING:
    from records.writer import PredictionRow

logger = logging.getLogger("pupila.records")

# Rows of one transaction: one more would hold up the event loop, which shares the interpreter.
_ROWS = 250

# Some 30 a minute and version: a day's worth.
_MOST_COUNTS = 50_000

_FIRST_RETRY_SECONDS = 0.25
_LAST_RETRY_SECONDS = 2.0

# What a row takes beside its image.
_ROW_BYTES = 1000


class Draft(NamedTuple):
    """A prediction that may be kept. ``at`` in seconds since 1970; ``probabilities``: float32 in
    little-endian bytes, None if the version gives none; ``reason``: why the image was rejected."""

    at: float
    request_id: str
    model: str
    version: str
    status: int
    reason: str | None
    label: Label | None
    probabilities: bytes | None
    image: bytes

    @property
    def size(self) -> int:
        """Bytes of memory, about."""
        return _ROW_BYTES + len(self.image)


@dataclass(frozen=True)
class Batch:
    """What is handed over at once. ``written`` is told when all up to here is in the database, or
    why it is not."""

    drafts: Sequence[Sampled[Draft]] = ()
    tallies: Sequence[Tally] = ()
    minute: datetime = datetime.min
    written: Future[None] | None = None


class Flusher:
    """Writes batches in their order, and keeps them while the database is away.

    What it holds is bounded by who hands it over, by ``released``.
    """

    def __init__(self, records: RecordsConnection) -> None:
        self._records = records
        self._queue: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._rows: list[tuple[PredictionRow, int]] = []
        self._counts: Counter[TrafficKey] = Counter()
        self._waiting: list[Future[None]] = []
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._stop_at = math.inf
        self._failure: str | None = None
        self._handed = self._taken = self._finished = 0
        self.released = 0
        """Bytes of all drafts that were written or dropped."""

    def start(self) -> None:
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether anything that was handed over is not yet written."""
        return self._finished < self._handed

    def put(self, batch: Batch) -> None:
        """From one thread only."""
        self._handed += 1
        self._queue.put(batch)

    def stop(self, seconds: float) -> None:
        """Write what there is, within that time; what is left then is dropped, and counted."""
        self._stop_at = time.monotonic() + seconds
        self._queue.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        retry_at, delay = 0.0, _FIRST_RETRY_SECONDS
        stopping = False
        while not stopping or (self._pending and time.monotonic() < self._stop_at):
            wait = max(0.0, retry_at - time.monotonic()) if self._pending else None
            try:
                stopping = self._collect(wait) or stopping
                if time.monotonic() < retry_at and not self._waiting:
                    continue
                self._flush()
            except RecordsError as error:
                self._tell(error)
                retry_at = time.monotonic() + delay
                delay = min(2 * delay, _LAST_RETRY_SECONDS)
            except Exception as error:
                logger.exception("records were lost")
                self._drop(len(self._rows), "failed")
                self._counts.clear()
                self._tell(DatabaseError(f"Records were lost: {type(error).__name__}."))
            else:
                self._finished = self._taken
                self._tell(None)
                retry_at, delay = 0.0, _FIRST_RETRY_SECONDS
        self._drop(len(self._rows), "stopped")

    @property
    def _pending(self) -> bool:
        return bool(self._rows or self._counts)

    def _collect(self, wait: float | None) -> bool:
        """Take what was handed over, for which it waits; whether that was the last."""
        try:
            batch = self._queue.get(timeout=wait)
            while batch is not None:
                self._add(batch)
                batch = self._queue.get_nowait()
        except queue.Empty:
            return False
        return True

    def _add(self, batch: Batch) -> None:
        self._taken += 1
        if batch.written is not None:
            self._waiting.append(batch.written)
        for draft, weight in batch.drafts:
            self._rows.append((_row(draft, weight), draft.size))
        for tally in batch.tallies:
            for key, count in tally.counts(batch.minute):
                if key in self._counts or len(self._counts) < _MOST_COUNTS:
                    self._counts[key] += count
                else:
                    RECORDS_DROPPED.labels("traffic").inc()

    def _flush(self) -> None:
        from records.writer import write

        at_once = _ROWS
        while self._pending:
            if time.monotonic() > self._stop_at:
                raise DatabaseError("The server stops; try again.")
            rows = [row for row, _ in self._rows[:at_once]]
            counts = self._counts if at_once > 1 or not rows else Counter[TrafficKey]()
            with self._records.open() as database:
                try:
                    write(database, rows, counts)
                except (DatabaseError, SchemaError) as error:
                    # A full disk may be read: to the records, all is well.
                    if str(error) != self._failure:
                        logger.warning("no records are written for now: %s", error)
                    self._failure = str(error)
                    raise
                except RecordsError as error:
                    if len(rows) + bool(counts) > 1:
                        # One after the other, until it is found which of them it is.
                        at_once = 1
                    else:
                        self._refused(error)
                        at_once = _ROWS
                    continue
            if self._failure is not None:
                logger.warning("records are written again")
            self._failure = None
            counts.clear()
            self._release(len(rows))
            RECORDS_WRITTEN.inc(len(rows))

    def _refused(self, error: RecordsError) -> None:
        """Leave out what was alone: the first row, or else the counts."""
        logger.error("a record was refused: %s", error)
        if self._rows:
            self._drop(1, "refused")
        else:
            self._counts.clear()

    def _drop(self, rows: int, reason: str) -> None:
        if rows:
            RECORDS_DROPPED.labels(reason).inc(rows)
            self._release(rows)

    def _release(self, rows: int) -> None:
        self.released += sum(size for _, size in self._rows[:rows])
        del self._rows[:rows]

    def _tell(self, error: RecordsError | None) -> None:
        for future in self._waiting:
            if not future.set_running_or_notify_cancel():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        self._waiting.clear()


def _row(draft: Draft, weight: float) -> "PredictionRow":
    from records.writer import PredictionRow

    confidence = None
    if draft.probabilities is not None:
        confidence = float(np.frombuffer(draft.probabilities, "<f4").max())
    return PredictionRow(
        request_id=draft.request_id,
        model=draft.model,
        version=draft.version,
        role=ROLE,
        at=datetime.fromtimestamp(draft.at, UTC),
        status=draft.status,
        reason=draft.reason,
        label=draft.label,
        confidence=confidence,
        probabilities=draft.probabilities,
        weight=weight,
        image=draft.image,
    )
