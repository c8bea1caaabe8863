"""The steps of a plot over time, added up once: what is over does not change any more."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from records.database import Database
from records.trends import Step, step

Span = Literal["hour", "day", "month"]
_SPANS: Final[Mapping[Span, tuple[timedelta, int]]] = {
    "hour": (timedelta(minutes=2), 30),
    "day": (timedelta(hours=1), 24),
    "month": (timedelta(days=1), 30),
}
# Counts of a minute arrive within seconds; after an outage of the database, somewhat later.
_SETTLED: Final = timedelta(minutes=15)
_BUDGET_SECONDS: Final = 0.12
_MOST: Final = 2000


@dataclass(frozen=True)
class Trend:
    """``steps``: oldest first; ``missing``: how many of the oldest are still to be added up."""

    steps: tuple[Step, ...]
    missing: int


class Trends:
    """Of one process. A page spends so many ``seconds`` of CPU on it; what is missing then is shown
    as missing, and there at the next look."""

    def __init__(self, seconds: float = _BUDGET_SECONDS) -> None:
        self._seconds = seconds
        self._known: dict[tuple[str, datetime, timedelta], Step] = {}
        self._lock = threading.Lock()

    def trend(
        self, database: Database, model: str, span: Span, now: datetime | None = None
    ) -> Trend:
        """Raises DatabaseError."""
        now = now or datetime.now(UTC)
        length, number = _SPANS[span]
        last = _floor(now, length)
        ends = time.thread_time() + self._seconds
        found: list[Step] = []
        for back in range(number):
            start = last - back * length
            if start + length > now - _SETTLED:
                found.append(step(database, model, start, start + length))
                continue
            key = (model, start, length)
            known = self._known.get(key)
            if known is None:
                if time.thread_time() >= ends:
                    return Trend(tuple(reversed(found)), number - back)
                known = step(database, model, start, start + length)
                with self._lock:
                    if len(self._known) >= _MOST:
                        self._known.clear()
                    self._known[key] = known
            found.append(known)
        return Trend(tuple(reversed(found)), 0)


def _floor(moment: datetime, length: timedelta) -> datetime:
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    return begin + (moment - begin) // length * length
