"""Begins to trace where a collector is set, and sends the rest at the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Final, Protocol

from errors import SettingsError
from serving.tracing.collector import Collector
from serving.tracing.exporter import Exporter
from serving.tracing.tracer import Tracer
from settings import Settings

_NEEDED: Final = ("opentelemetry", "opentelemetry.proto")

# After the records, which may take 3: deploy/kubernetes gives both of them 5.
_STOP_SECONDS: Final = 2.0


def refuse_tracing(settings: Settings, *, traced: bool) -> None:
    """Raises SettingsError where traces are wanted and cannot be made; ``traced``: BentoML makes
    some already, of which each request would have a second one."""
    if settings.tracing_endpoint is None:
        return
    if traced:
        raise SettingsError(
            "PUPILA_TRACING_ENDPOINT and BentoML's setting tracing.exporter_type are both set: "
            "unset one."
        )
    if not all(find_spec(name) for name in _NEEDED):
        raise SettingsError(
            "PUPILA_TRACING_ENDPOINT is set, but opentelemetry-proto is not installed: "
            "run scripts/install tracing, or unset it."
        )
    _collector(settings, settings.tracing_endpoint)


class Traced(Protocol):
    """What traces its requests while it has a tracer; in practice the class ``Endpoint``."""

    tracer: Tracer | None


@contextlib.asynccontextmanager
async def tracing(
    settings: Settings, release: str, worker: int | None, traced: Traced
) -> AsyncIterator[None]:
    """Trace requests until the block ends; then send the rest, for some seconds at most.

    Nothing is imported, started or asked where no collector is set.
    """
    if settings.tracing_endpoint is None:
        yield
        return
    from serving.tracing.spans import Spans, rejected

    spans = Spans(settings.tracing_service, release, worker, settings.traced_attributes)
    collector = _collector(settings, settings.tracing_endpoint)
    exporter = Exporter(collector, spans.encoded, rejected)
    exporter.start()
    traced.tracer = Tracer(settings.tracing_ratio, exporter.put)
    try:
        yield
    finally:
        traced.tracer = None
        await asyncio.to_thread(exporter.stop, _STOP_SECONDS)


def _collector(settings: Settings, endpoint: str) -> Collector:
    """Raises SettingsError for what can never be asked."""
    headers = settings.sent_headers
    if headers is None:
        raise SettingsError(
            "PUPILA_TRACING_HEADERS is no list such as name=value, other=value, with %20 for a "
            "blank and %2C for a comma."
        )
    try:
        return Collector(endpoint, headers, settings.tracing_ca_file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        name, value = "PUPILA_TRACING_ENDPOINT", endpoint
        if isinstance(error, OSError):
            name, value = "PUPILA_TRACING_CA_FILE", str(settings.tracing_ca_file)
        raise SettingsError(f"{name} is {value!r}, which cannot be used: {reason}.") from None
