"""The metrics of one version, or extractor, looked up once and not for every request."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from internals_metrics import adding, observing
from serving.exemplars import Exemplars
from serving.metrics import (
    BATCH_SIZE,
    EXTRACTOR_BATCH_SIZE,
    EXTRACTOR_BUSY,
    EXTRACTOR_QUEUE_SECONDS,
    QUEUE_SECONDS,
    REQUESTS,
    SECONDS,
)

EXEMPLARS: Final = Exemplars()


class VersionMetrics:
    """Those of one version."""

    def __init__(self, model: str, version: str) -> None:
        self._labels = (model, version)
        self._routes: dict[str, tuple[Callable[[float], None], Callable[[float], float]]] = {}
        self._batch_size = observing(BATCH_SIZE.labels(model, version))
        self._queue_seconds = observing(QUEUE_SECONDS.labels(model, version))

    def answered(self, route: str, status: int, seconds: float) -> float:
        """A request to the path ``route`` was answered; returns the bound of its bucket."""
        succeeded, took = self._routes.get(route) or self._open(route)
        if status == HTTPStatus.OK:
            succeeded(1)
        else:
            REQUESTS.labels(*self._labels, route, str(status)).inc()
        return took(seconds)

    def logged(self, route: str, bound: float, trace_id: str, seconds: float) -> None:
        """A request that was answered has a line in the log, or a trace: an example of its
        bucket."""
        EXEMPLARS.put((*self._labels, route), bound, trace_id, seconds)

    def prepare(self, route: str) -> None:
        """Look up now what the first answer would."""
        self._open(route)

    def _open(self, route: str) -> tuple[Callable[[float], None], Callable[[float], float]]:
        labels = (*self._labels, route)
        found = (
            adding(REQUESTS.labels(*labels, str(HTTPStatus.OK.value))),
            observing(SECONDS.labels(*labels)),
        )
        self._routes[route] = found
        return found

    def batch(self, size: int, waited: float) -> None:
        """A batch of ``size`` images, the first of which had waited ``waited`` seconds."""
        self._batch_size(size)
        self._queue_seconds(waited)


NO_VERSION = VersionMetrics("", "")
"""For requests that failed before their version was known, and those that concern none."""


class ExtractorMetrics:
    """Those of one extractor; ``tag``: its name and version."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self._size = observing(EXTRACTOR_BATCH_SIZE.labels(tag))
        self._waited = observing(EXTRACTOR_QUEUE_SECONDS.labels(tag))
        self._busy = adding(EXTRACTOR_BUSY.labels(tag))

    def passed(self, size: int, waited: float, seconds: float) -> None:
        """A pass of ``size`` images has taken so long, the first of which had waited ``waited``
        seconds."""
        self._size(size)
        self._waited(waited)
        self._busy(seconds)
