"""What ``/metrics`` answers: the values of all workers, and what this one knows of the server.

In Prometheus's text format, or in OpenMetrics for who asks for it, as Prometheus does; only the
latter has exemplars. ``promtool check metrics`` finds no fault with it.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import REGISTRY, Metric, generate_latest
from prometheus_client.core import Exemplar, Sample
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from internals_metrics import collected
from serving.exemplars import Exemplars
from serving.http.routes import METRICS

_OPENMETRICS: Final = "application/openmetrics-text"
_OURS: Final = "pupila_"
_DURATIONS: Final = "pupila_request_duration_seconds"
_SERIES: Final = ("model", "version", "route")
_UNITS: Final = ("seconds", "bytes")

OLD_NAMES: Final = {_DURATIONS: "pupila_request_seconds"}
"""Names of the last release, under which the same values are told once more."""

Source = Callable[[], Iterable[Metric]]
"""Metrics that are made when they are asked for, by the worker that is asked."""


class Exposition:
    """``folder``: where the workers keep their values, None outside of a server; ``facts``: asked
    in the event loop; ``measures``: asked on a thread. An ASGI route, which the catalog mounts."""

    def __init__(
        self, folder: Path | None, exemplars: Exemplars, facts: Source, measures: Source
    ) -> None:
        self._folder = folder
        self._exemplars = exemplars
        self._facts = facts
        self._measures = measures
        self.route = Route(METRICS.path, self._answer)

    async def _answer(self, request: Request) -> Response:
        as_openmetrics = accepts_openmetrics(request.headers.get("accept", ""))
        body = await asyncio.to_thread(self.text, [*self._facts()], as_openmetrics=as_openmetrics)
        kind = openmetrics.CONTENT_TYPE_LATEST if as_openmetrics else CONTENT_TYPE_PLAIN_0_0_4
        return Response(body, headers={"Content-Type": kind})

    def text(self, facts: Iterable[Metric], *, as_openmetrics: bool) -> bytes:
        """Blocks for milliseconds."""
        found = [*facts, *self._measures(), *self._values()]
        families = _Families(sorted(found, key=lambda family: family.name))
        if not as_openmetrics:
            return generate_latest(families)
        for family in families.collect():
            family.unit = next((unit for unit in _UNITS if family.name.endswith(f"_{unit}")), "")
            if family.name == _DURATIONS:
                family.samples = [self._with_example(sample) for sample in family.samples]
        text: bytes = openmetrics.generate_latest(families)  # type: ignore[no-untyped-call]
        return text

    def _values(self) -> Iterator[Metric]:
        found = REGISTRY.collect() if self._folder is None else collected(self._folder)
        for family in found:
            # BentoML's own would say the same again.
            if not family.name.startswith(_OURS):
                continue
            if family.type == "histogram":
                # One process alone also says since when it counts.
                samples = [one for one in family.samples if not one.name.endswith("_created")]
                family.samples = sorted(samples, key=_order)
            yield family
            if family.name in OLD_NAMES:
                yield _renamed(family, OLD_NAMES[family.name])

    def _with_example(self, sample: Sample) -> Sample:
        bound = sample.labels.get("le")
        if bound is None:
            return sample
        series = tuple(sample.labels.get(name, "") for name in _SERIES)
        example = self._exemplars.find(series, float(bound))
        # One that another worker's file does not count yet is not told before it is.
        if example is None or not sample.value:
            return sample
        exemplar = Exemplar(example.labels, example.seconds, example.at)
        return sample._replace(exemplar=exemplar)


class _Families(NamedTuple):
    """What the library takes for a registry."""

    families: list[Metric]

    def collect(self) -> list[Metric]:
        return self.families


def accepts_openmetrics(accept: str) -> bool:
    """Whether the header ``Accept`` names it, and does not refuse it. Prometheus prefers it."""
    for one in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in one.split(";"))
        if kind == _OPENMETRICS:
            return not any(_refuses(parameter) for parameter in parameters)
    return False


def _refuses(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name == "q" and not value.strip("0.")


def _renamed(family: Metric, name: str) -> Metric:
    old = Metric(name, f"The former name of {family.name}", family.type)
    old.samples = [
        sample._replace(name=sample.name.replace(family.name, name, 1)) for sample in family.samples
    ]
    return old


def _order(sample: Sample) -> tuple[list[tuple[str, str]], int, float]:
    """By labels; the buckets first and in order, then the count, then the sum."""
    labels = sorted((name, value) for name, value in sample.labels.items() if name != "le")
    place = ("_bucket", "_count", "_sum").index(sample.name[sample.name.rindex("_") :])
    return labels, place, float(sample.labels.get("le", 0))
