"""The newest results of the monitor, as metrics."""

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager

from errors import RecordsError
from serving.background import background
from serving.metrics import MONITOR_P_VALUE, MONITOR_SECONDS, MONITOR_STATE
from serving.recording.connection import RecordsConnection

_EVERY_SECONDS = 30.0
_STATES = {"calm": 0, "warn": 1, "alarm": 2, "unknown": -1}


class Gauges:
    """Reads the newest reports from the database twice a minute."""

    def __init__(self, records: RecordsConnection) -> None:
        self._records = records

    def refreshing(self) -> AbstractAsyncContextManager[None]:
        """Keep the gauges up to date until the block ends."""
        return background(self._refresh())

    async def _refresh(self) -> None:
        while True:
            # If the database is unavailable, they stay as they are; the connection logs that.
            with contextlib.suppress(RecordsError):
                await asyncio.to_thread(self.read)
            await asyncio.sleep(_EVERY_SECONDS)

    def read(self) -> None:
        """Update the gauges once; blocks, so call it on a thread. Raises RecordsError."""
        from records.reports import latest

        with self._records.open() as database:
            reports = latest(database)
        for report in reports:
            names = (report.model, report.kind)
            MONITOR_STATE.labels(*names).set(_STATES[report.state])
            MONITOR_SECONDS.labels(*names).set(report.at.timestamp())
            p_value = report.p_value
            MONITOR_P_VALUE.labels(*names).set(float("nan") if p_value is None else p_value)
