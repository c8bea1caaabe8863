"""Examples of a histogram's buckets: requests that can be found in the log.

OpenMetrics shows them with the bucket, and a dashboard leads from a slow bucket to a request in it.
Prometheus's files have no room for them, so each worker has its own, and an answer of
``/metrics`` has those of the worker that gave it.
"""

import time
from typing import NamedTuple

# By which dashboards lead to a log.
_LABEL = "trace_id"


class Example(NamedTuple):
    """A request, how long it took, and when it was answered, in seconds since 1970."""

    labels: dict[str, str]
    seconds: float
    at: float


class Exemplars:
    """The newest of each bucket."""

    def __init__(self) -> None:
        self._examples: dict[tuple[tuple[str, ...], float], Example] = {}

    def put(self, series: tuple[str, ...], bound: float, trace_id: str, seconds: float) -> None:
        """``series``: the values of the histogram's labels; ``bound``: the bucket's."""
        self._examples[series, bound] = Example({_LABEL: trace_id}, seconds, time.time())

    def find(self, series: tuple[str, ...], bound: float) -> Example | None:
        return self._examples.get((series, bound))
