"""BentoML's settings that would do nothing."""

from typing import Any

import pytest

from errors import SettingsError
from internals import service_configuration
from service import service
from serving.unsupported import refuse_unsupported


@pytest.fixture
def expected() -> dict[str, Any]:
    return service_configuration(service)[1]


def test_what_nobody_has_set_is_as_expected(expected: dict[str, Any]) -> None:
    refuse_unsupported(service_configuration(service)[0], expected, traced=False)


@pytest.mark.parametrize(
    ("path", "value", "instead"),
    [
        ("workers", 3, "PUPILA_WORKERS"),
        ("traffic.timeout", 99, "PUPILA_DEADLINE_MS"),
        ("traffic.max_concurrency", 5, "PUPILA_QUEUE_SIZE"),
        ("http.cors.enabled", True, "PUPILA_CORS_ORIGINS"),
        ("http.response.trace_id", True, "PUPILA_TRACING_ENDPOINT"),
        ("logging.access.enabled", False, "PUPILA_ACCESS_LOG_RATE"),
        ("metrics.enabled", True, "docs/metrics.md"),
        ("metrics.namespace", "a", "docs/metrics.md"),
        ("metrics.duration.buckets", [1.0], "docs/metrics.md"),
    ],
)
def test_a_setting_without_effect_is_refused(
    expected: dict[str, Any], path: str, value: object, instead: str
) -> None:
    *parents, name = path.split(".")
    given = changed = dict(expected)
    for parent in parents:
        changed[parent] = dict(changed[parent])
        changed = changed[parent]
    changed[name] = value
    with pytest.raises(SettingsError, match=instead):
        refuse_unsupported(given, expected, traced=False)


def test_a_traced_service_has_bentomls_layers(expected: dict[str, Any]) -> None:
    given = expected | {"http": expected["http"] | {"response": {"trace_id": True}}}
    refuse_unsupported(given, expected, traced=True)
