"""The newest results of the monitor and of the loop, as metrics."""

import asyncio
import contextlib
import time
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from errors import RecordsError
from serving.background import background
from serving.metrics import (
    LABEL_REQUESTS,
    MONITOR_IMAGES,
    MONITOR_LABELLED,
    MONITOR_P_VALUE,
    MONITOR_SECONDS,
    MONITOR_STATE,
    RETRAINING_SECONDS,
    RETRAINING_STATE,
    ROLLOUT_DECISION,
    WORKER_ALIVE,
)
from serving.recording.connection import RecordsConnection

if TYPE_CHECKING:
    from records.requests import Drawn

_EVERY_SECONDS = 30.0
_BEAT_SECONDS = 1.0
_STATES = {"calm": 0, "warn": 1, "alarm": 2, "unknown": -1}
_RETRAININGS = {
    "done": 0,
    "training": 1,
    "trained": 2,
    "judged": 3,
    "rolling out": 4,
    "refused": -1,
    "failed": -2,
}


def beating() -> AbstractAsyncContextManager[None]:
    """Tell that this worker's event loop runs, until the block ends: one that hangs answers nobody,
    so nothing else is counted of it, and the others answer for ``/metrics``."""
    return background(_beat())


async def _beat() -> None:
    while True:
        WORKER_ALIVE.set(time.time())
        await asyncio.sleep(_BEAT_SECONDS)


class Gauges:
    """Reads the newest reports, retrainings and decisions from the database twice a minute."""

    def __init__(self, records: RecordsConnection) -> None:
        self._records = records
        self._asked = set["tuple[str, Drawn]"]()

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
        from records.loop import standing
        from records.reports import latest

        with self._records.open() as database:
            reports, loop = latest(database), standing(database)
        for report in reports:
            names = (report.model, report.kind)
            MONITOR_STATE.labels(*names).set(_STATES[report.state])
            MONITOR_SECONDS.labels(*names).set(report.at.timestamp())
            p_value = report.p_value
            MONITOR_IMAGES.labels(*names).set(report.images)
            MONITOR_P_VALUE.labels(*names).set(float("nan") if p_value is None else p_value)
            if report.kind == "accuracy":
                MONITOR_LABELLED.labels(report.model).set(_labelled(report.body))
        for model, (state, at) in loop.retrainings.items():
            RETRAINING_STATE.labels(model).set(_RETRAININGS[state])
            RETRAINING_SECONDS.labels(model).set(at.timestamp())
        for (model, action), at in loop.decisions.items():
            ROLLOUT_DECISION.labels(model, action).set(at.timestamp())
        # What was deleted is waited for no longer.
        self._asked |= loop.requests.keys()
        for asked in self._asked:
            LABEL_REQUESTS.labels(*asked).set(loop.requests.get(asked, 0))


def _labelled(body: str) -> float:
    """When the newest prediction with a label was made, by the body of a report on accuracy; 0 if
    there is none, as in reports from before this was told."""
    try:
        newest = orjson.loads(body)["accuracy"]["newest"]
        return datetime.fromisoformat(newest).timestamp() if newest else 0.0
    except (ValueError, TypeError, KeyError):
        return 0.0
