"""When a server traces at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from errors import SettingsError
from serving.endpoint import Endpoint
from serving.tracing.lifecycle import refuse_tracing, tracing
from settings import Settings, environment
from tests.collector import collecting

ROOT = Path(__file__).resolve().parents[3]


async def test_nothing_is_traced_where_no_collector_is_set() -> None:
    async with tracing(Settings(tracing_ratio=1), "1", 1):
        assert Endpoint.tracer is None


async def test_requests_are_traced_until_the_end() -> None:
    with collecting() as collector:
        async with tracing(Settings(tracing_endpoint=collector.url), "1", 1):
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
    ],
)
def test_what_can_never_be_asked_is_refused(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        refuse_tracing(Settings.model_validate(settings), traced=False)


def test_without_the_extra_a_server_says_so_and_does_not_start(tmp_path: Path) -> None:
    # As where it is not installed: the package of that name in front of it is empty.
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").write_text("")
    script = (
        "from serving.supervision import give_up\n"
        "from serving.tracing.lifecycle import refuse_tracing\n"
        "from settings import settings\n"
        "try: refuse_tracing(settings(), traced=False)\n"
        "except Exception as error: give_up(str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment(PUPILA_TRACING_ENDPOINT="http://localhost:4318")
        | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "PUPILA_TRACING_ENDPOINT is set, but opentelemetry-proto is not installed: run "
        "scripts/install tracing, or unset it.\n"
    )
