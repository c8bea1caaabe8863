"""BentoML's settings that would do nothing here, because the front answers without its layers.

A setting that is silently ignored is found out in production; so each is refused at the start, with
what to use in its place. The others of BentoML's configuration work as it documents them.
"""

from collections.abc import Mapping
from typing import Any, Final

from errors import SettingsError

_ACCESS: Final = "the access log here has a setting of its own, PUPILA_ACCESS_LOG_RATE"
_METRICS: Final = "the metrics here have their own names and buckets, which docs/metrics.md lists"

# By its path in BentoML's configuration of a service.
_INSTEAD: Final[Mapping[str, str]] = {
    "workers": "set PUPILA_WORKERS",
    "traffic.timeout": "set PUPILA_DEADLINE_MS",
    "traffic.max_concurrency": "set PUPILA_QUEUE_SIZE",
    "http.cors": "set PUPILA_CORS_ORIGINS",
    "http.response.trace_id": "set PUPILA_TRACING_ENDPOINT, which brings traceparent along",
    "logging.access": _ACCESS,
    "metrics.enabled": _METRICS,
    "metrics.namespace": _METRICS,
    "metrics.duration": _METRICS,
}


def refuse_unsupported(
    given: Mapping[str, Any], expected: Mapping[str, Any], *, traced: bool
) -> None:
    """Compare BentoML's configuration of the service with what it is without a file.

    ``traced``: requests go through BentoML's layers, which then do what they are told. Raises
    SettingsError for the first setting that would do nothing.
    """
    for path, instead in _INSTEAD.items():
        if traced and path in ("http.response.trace_id", "logging.access"):
            continue
        if _at(given, path) != _at(expected, path):
            raise SettingsError(f"BentoML's setting {path} has no effect here: {instead}.")


def _at(settings: Mapping[str, Any], path: str) -> Any:
    value: Any = settings
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
