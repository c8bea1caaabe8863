"""When a server traces at all."""

import sys

import pytest

from errors import SettingsError
from serving.endpoint import Endpoint
from serving.tracing.lifecycle import refuse_tracing, tracing
from settings import Settings
from tests.collector import collecting


async def test_nothing_is_traced_where_no_collector_is_set() -> None:
    async with tracing(Settings(tracing_ratio=1), "1", 1, Endpoint):
        assert Endpoint.tracer is None


async def test_requests_are_traced_until_the_end() -> None:
    with collecting() as collector:
        async with tracing(Settings(tracing_endpoint=collector.url), "1", 1, Endpoint):
            assert Endpoint.tracer is not None
        assert Endpoint.tracer is None


def test_what_can_be_traced_is_not_refused() -> None:
    refuse_tracing(Settings(), traced=True)
    refuse_tracing(Settings(tracing_endpoint="http://localhost:4318"), traced=False)


def test_two_traces_of_a_request_are_refused() -> None:
    with pytest.raises(SettingsError, match="exporter_type are both set: unset one"):
        refuse_tracing(Settings(tracing_endpoint="http://localhost:4318"), traced=True)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"tracing_endpoint": "http://localhost:99999"},
            "PUPILA_TRACING_ENDPOINT is 'http://localhost:99999', which cannot be used: ",
        ),
        (
            {"tracing_endpoint": "https://localhost", "tracing_ca_file": "missing.pem"},
            "PUPILA_TRACING_CA_FILE is 'missing.pem', which cannot be used: No such file",
        ),
        (
            {"tracing_endpoint": "http://localhost", "tracing_headers": "Bearer hush"},
            "^PUPILA_TRACING_HEADERS is no list such as name=value, other=value, with ",
        ),
    ],
)
def test_what_can_never_be_asked_is_refused(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        refuse_tracing(Settings.model_validate(settings), traced=False)


def test_without_the_extra_a_server_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # As Python finds it where it is not installed.
    monkeypatch.setitem(sys.modules, "opentelemetry.proto", None)
    with pytest.raises(SettingsError) as refused:
        refuse_tracing(Settings(tracing_endpoint="http://localhost:4318"), traced=False)
    assert str(refused.value) == (
        "PUPILA_TRACING_ENDPOINT is set, but opentelemetry-proto is not installed: run "
        "scripts/install tracing, or unset it."
    )
