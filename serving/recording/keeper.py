"""Keeps the records within ``PUPILA_RECORD_DISK``, in one worker of all that share a database."""

import asyncio
import contextlib
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from errors import RecordsError
from serving.background import background
from serving.metrics import RECORD_DISK, RECORD_DISK_BUDGET, RECORD_DISK_PRUNED
from serving.recording.connection import RecordsConnection
from settings import Settings
from sizes import size_text

if TYPE_CHECKING:
    from records.budget import Budget, Kept
    from records.database import Database

logger = logging.getLogger("pupila.records")

LEASE: Final = "record disk"
_DURATION: Final = timedelta(seconds=60)

# Whoever keeps the budget looks this often, and the others whether somebody does.
_LOOK_SECONDS: Final = 3.0
_WATCH_SECONDS: Final = 15.0
_RENEW_SECONDS: Final = 20.0
# How often the same complaint is logged.
_AGAIN_SECONDS: Final = 3600.0


class DiskKeeper:
    """Runs off the event loop; a failure leaves the records as they are until the next look."""

    def __init__(self, settings: Settings, records: RecordsConnection) -> None:
        self._limit = settings.record_disk
        self._records = records
        self._owner = uuid.uuid4().hex
        self._budget: tuple[Database, Budget] | None = None
        self._renew_at: float | None = None
        self._complained: tuple[str, float] = ("", 0.0)
        self._stop = threading.Event()
        RECORD_DISK_BUDGET.set(self._limit)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the budget until the block ends."""
        async with background(self._watch()):
            try:
                yield
            finally:
                self._stop.set()
        await asyncio.to_thread(self._give_back)

    async def _watch(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.look)
            except RecordsError:
                # The connection says that the database is away.
                self._renew_at = None
            except Exception:
                logger.exception("the budget of the records was not kept")
            keeps = self._renew_at is not None
            await asyncio.sleep(_LOOK_SECONDS if keeps else _WATCH_SECONDS)

    def look(self) -> "Kept | None":
        """Keep the budget once, if no other worker does; blocks. Raises RecordsError."""
        from records.budget import Budget, standing

        with self._records.open() as database:
            if not self._is_keeper(database):
                known = standing(database)
                if known is not None:
                    RECORD_DISK.set(known.bytes)
                return None
            if self._budget is None or self._budget[0] is not database:
                self._budget = database, Budget(database, self._limit)
            kept = self._budget[1].keep(self._must_stop)
        RECORD_DISK.set(kept.bytes)
        RECORD_DISK_PRUNED.inc(kept.image_bytes)
        self._tell(kept, database.name)
        return kept

    def _is_keeper(self, database: "Database") -> bool:
        from records.leases import holder, take

        if self._renew_at is not None and time.monotonic() < self._renew_at:
            return True
        found = holder(database, LEASE)
        if found is not None and found[0] != self._owner:
            self._renew_at = None
            return False
        has = take(database, LEASE, self._owner, _DURATION)
        self._renew_at = time.monotonic() + _RENEW_SECONDS if has else None
        return has

    def _must_stop(self) -> bool:
        """To end, or to renew the lease."""
        return self._stop.is_set() or time.monotonic() >= (self._renew_at or 0.0)

    def _give_back(self) -> None:
        if self._renew_at is None:
            return
        from records.leases import give_back

        with contextlib.suppress(RecordsError), self._records.open() as database:
            give_back(database, LEASE, self._owner)

    def _tell(self, kept: "Kept", name: str) -> None:
        budget, used = size_text(self._limit), size_text(kept.bytes)
        if kept.rows:
            # The least that every server shows.
            logger.warning(
                "the %s oldest records without a label were deleted, with %s of images: %s of "
                "PUPILA_RECORD_DISK (%s) are in use",
                f"{kept.rows:,}",
                size_text(kept.image_bytes),
                used,
                budget,
            )
        if kept.state == "waiting":
            self._complain(
                kept.state,
                f"{name} had {used} of records before PUPILA_RECORD_DISK ({budget}) applied, so "
                "nothing is deleted by itself yet: run python -m records prune --max-bytes "
                f"{self._limit} once, or set PUPILA_RECORD_DISK higher or to 0",
            )
        elif kept.state == "full":
            self._complain(
                kept.state,
                f"{name} has {used} of records, which is more than PUPILA_RECORD_DISK ({budget}), "
                "and all of them have labels or are counts of the last 30 days: set "
                "PUPILA_RECORD_DISK higher, or run python -m records prune --labelled",
            )
        else:
            self._complained = ("", 0.0)

    def _complain(self, state: str, words: str) -> None:
        of, until = self._complained
        if of == state and time.monotonic() < until:
            return
        self._complained = state, time.monotonic() + _AGAIN_SECONDS
        logger.warning("%s", words)
