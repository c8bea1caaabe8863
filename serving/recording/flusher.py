"""The thread that writes what a recorder hands over; the event loop never waits for it."""

import logging
import math
import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from errors import CommitLostError, DatabaseError, RecordsError, SchemaError
from records.prediction import KeptPrediction
from serving.metrics import TRAFFIC_LOST
from serving.recording.connection import RecordsConnection
from serving.recording.copier import Copier
from serving.recording.handover import Handover
from serving.recording.ledger import Ledger, memory_bytes
from serving.recording.making import complete
from serving.recording.scout import Scout

if TYPE_CHECKING:
    from records.database import Database
    from records.traffic import TrafficKey

logger = logging.getLogger("pupila.records")

# Predictions in one transaction: more would hold the GIL, which the event loop needs, for longer.
_MAX_WRITTEN = 250

# Of these, bytes: on a full disk there must be room for one in SQLite's log, see records.reserve.
_MAX_WRITTEN_BYTES = 4 * 1024 * 1024

# A day's worth, at about 30 a minute and version.
_MAX_COUNTS = 50_000

# Of a key: minute, model, version, role, kind, key.
_KIND = 4

_FIRST_RETRY_SECONDS = 0.25
_LAST_RETRY_SECONDS = 2.0

# How long copies may be made before what came meanwhile is looked at.
_COPY_SECONDS = 0.5


@dataclass(frozen=True)
class _Doubt:
    """A transaction of the first so many predictions and of counts, which may be committed."""

    transaction: int
    count: int
    counts: "Counter[TrafficKey]"


class Flusher:
    """Writes handovers in order, and holds them while the database is unavailable.

    It does not limit how much it holds: the ``ledger`` does, and knows what became of it.
    """

    def __init__(
        self, records: RecordsConnection, copier: Copier, ledger: Ledger, scout: Scout
    ) -> None:
        self._records = records
        self._copier = copier
        self._scout = scout
        self._ledger = ledger
        self._queue: queue.SimpleQueue[Handover | None] = queue.SimpleQueue()
        self._kept: list[KeptPrediction] = []
        self._counts: Counter[TrafficKey] = Counter()
        self._waiting: list[Future[None]] = []
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._stop_at = math.inf
        self._failure: str | None = None
        self._cause = "it is slow."
        self._unwritten = self._uncounted = 0
        self._handed = self._taken = self._finished = 0
        self._stopping = False
        # Of those kept, the first so many are as they will be written.
        self._ready = 0
        self._doubt: _Doubt | None = None

    def start(self) -> None:
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a handover is not written yet."""
        return self._finished < self._handed

    def put(self, handover: Handover) -> None:
        """Always from the same thread."""
        self._handed += 1
        self._queue.put(handover)

    def stop(self, seconds: float) -> None:
        """Write the rest within that time; what is not written by then is lost, and logged."""
        self._stop_at = time.monotonic() + seconds
        self._queue.put(None)
        self._thread.join(seconds)
        records, counts = self._unwritten, self._uncounted
        if self._thread.is_alive():
            # Within a statement, which ends with the process or, perhaps, before it.
            records, counts = self._ledger.waiting, _answers(dict(self._counts))
        if records or counts:
            logger.warning(
                "lost at the end: %d records, and the counts of %d answers, since the database did "
                "not take them within %g seconds: %s",
                records,
                counts,
                seconds,
                self._cause,
            )

    def _run(self) -> None:
        retry_at, delay = 0.0, _FIRST_RETRY_SECONDS
        while not self._stopping or (self._pending and time.monotonic() < self._stop_at):
            wait = max(0.0, retry_at - time.monotonic()) if self._pending else None
            try:
                self._collect(wait)
                if time.monotonic() < retry_at and not self._waiting:
                    continue
                self._flush()
            except RecordsError as error:
                self._cause = str(error)
                self._resolve(error)
                retry_at = time.monotonic() + delay
                delay = min(2 * delay, _LAST_RETRY_SECONDS)
            except Exception as error:
                logger.exception("%d records were lost", len(self._kept))
                self._drop(len(self._kept), "failed")
                self._lose_counts("failed")
                self._doubt = None
                self._resolve(DatabaseError(f"Records were lost: {type(error).__name__}."))
            else:
                self._finished = self._taken
                self._resolve(None)
                retry_at, delay = 0.0, _FIRST_RETRY_SECONDS
        self._unwritten = len(self._kept)
        self._drop(self._unwritten, "stopped")
        self._uncounted = self._lose_counts("stopped")

    @property
    def _pending(self) -> bool:
        return bool(self._kept or self._counts)

    def _collect(self, wait: float | None) -> None:
        """Take all handovers, after waiting for one, and whether the flusher is to stop."""
        try:
            handover = self._queue.get(timeout=wait)
            while handover is not None:
                self._add(handover)
                handover = self._queue.get_nowait()
        except queue.Empty:
            return
        self._stopping = True

    def _add(self, handover: Handover) -> None:
        self._taken += 1
        if handover.written is not None:
            self._waiting.append(handover.written)
        # All first: what fails below is then known to be lost.
        self._kept += [prediction for prediction, _ in handover.sampled]
        self._kept += handover.others
        for tally in handover.tallies:
            for key, count in tally.counts(handover.minute):
                if key in self._counts or len(self._counts) < _MAX_COUNTS:
                    self._counts[key] += count
                else:
                    TRAFFIC_LOST.labels("capacity").inc(_answers({key: count}))
        for prediction, weight in handover.sampled:
            complete(prediction, weight)
        for prediction in handover.others:
            complete(prediction, None)
        if handover.written is None and not self._stopping:
            self._scout.look([prediction for prediction, _ in handover.sampled])
            for prediction in self._scout.unknown(handover.passed):
                if self._ledger.take_unknown(prediction):
                    # Without a weight, since it is not here by chance.
                    complete(prediction, None)
                    self._kept.append(prediction)

    def _flush(self) -> None:
        from records.writer import write

        size = _MAX_WRITTEN
        while self._pending:
            if time.monotonic() > self._stop_at:
                raise DatabaseError("The server is stopping; try again.")
            self._make_ready(size)
            with self._records.open() as database:
                self._settle(database)
                kept = self._portion(min(size, max(1, self._ready)))
                counts = self._counts.copy() if size > 1 or not kept else Counter()
                try:
                    write(database, kept, counts)
                except (DatabaseError, SchemaError) as error:
                    # On a full disk, opening the database succeeds and only writing fails.
                    if str(error) != self._failure:
                        logger.warning("no records are written for now: %s", error)
                    self._failure = str(error)
                    if isinstance(error, CommitLostError):
                        self._doubt = _Doubt(error.transaction, len(kept), counts)
                    raise
                except RecordsError as error:
                    if len(kept) + bool(counts) > 1:
                        # One by one, to find the one that is refused.
                        size = 1
                    else:
                        self._drop_refused(error)
                        size = _MAX_WRITTEN
                    continue
            if self._failure is not None:
                logger.warning("records are written again")
            self._failure = None
            self._written(len(kept), counts)

    def _portion(self, most: int) -> list[KeptPrediction]:
        """The first of those kept, of not too many bytes together."""
        size = 0
        for index, prediction in enumerate(self._kept[:most]):
            size += memory_bytes(prediction)
            if size > _MAX_WRITTEN_BYTES and index:
                return self._kept[:index]
        return self._kept[:most]

    def _written(self, count: int, counts: "Counter[TrafficKey]") -> None:
        # Without what is zero then.
        self._counts -= counts
        self._ledger.written(self._kept[:count])
        self._forget(count)

    def _forget(self, count: int) -> None:
        self._ready = max(0, self._ready - count)
        del self._kept[:count]

    def _settle(self, database: "Database") -> None:
        """Find out what became of a transaction that was not heard of. Raises DatabaseError."""
        from records.writer import committed

        if self._doubt is not None:
            if committed(database, self._doubt.transaction):
                self._written(self._doubt.count, self._doubt.counts)
            self._doubt = None

    def _make_ready(self, size: int) -> None:
        """Put copies in place of large images, at most so many, unless somebody waits or the server
        stops."""
        until = time.monotonic() + _COPY_SECONDS
        while self._ready < min(size, len(self._kept)):
            if self._waiting or self._stopping or self._doubt is not None:
                self._ready = len(self._kept)
                return
            next_one, hurried = self._kept[self._ready], self._ledger.is_crowded
            self._ledger.shrunk(self._copier.copy(next_one, hurried=hurried))
            self._ready += 1
            if time.monotonic() > until:
                # Somebody may wait by now.
                self._collect(0.0)
                return

    def _drop_refused(self, error: RecordsError) -> None:
        """Drop what was written alone: the first prediction, or else the counts."""
        logger.error("a record was refused: %s", error)
        if self._kept:
            self._drop(1, "refused")
        else:
            self._lose_counts("refused")

    def _drop(self, count: int, reason: str) -> None:
        if count:
            self._ledger.dropped(self._kept[:count], reason)
            self._forget(count)

    def _lose_counts(self, reason: str) -> int:
        lost = _answers(self._counts)
        TRAFFIC_LOST.labels(reason).inc(lost)
        self._counts.clear()
        return lost

    def _resolve(self, error: RecordsError | None) -> None:
        for future in self._waiting:
            if not future.set_running_or_notify_cancel():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        self._waiting.clear()


def _answers(counts: "Mapping[TrafficKey, int]") -> int:
    """How many answers they are of: each is counted once by its status, and in other ways too."""
    return sum(count for key, count in counts.items() if key[_KIND] == "status")
