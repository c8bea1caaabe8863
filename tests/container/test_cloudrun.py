"""Cloud Run's contract with a container, kept here: what is declared, and 10 seconds to end."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.container.conftest import FIGURES
from tests.containers import Container, running
from tests.deploy.cloudrun import container as declared
from tests.deploy.cloudrun import printed, settings_of
from tests.waiting import PATIENCE_SECONDS

# Cloud Run's own.
STOP_SECONDS = 10
BODY = (Path(__file__).parent.parent / "data" / "predict_digit8.json").read_bytes()


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    """As it is where there is no Cloud SQL, as here."""
    return printed("deploy", "v1", RECORDS="off")[1]


def started(service: dict[str, Any], **settings: str) -> AbstractContextManager[Container]:
    """One with the CPU and the memory that are declared, told its port as Cloud Run tells it."""
    limits = declared(service)["resources"]["limits"]
    (port,) = declared(service)["ports"]
    number = port["containerPort"]
    return running(
        f"--cpus={limits['cpu']}",
        f"--memory={limits['memory'].replace('Mi', 'm')}",
        port=number,
        environment=settings_of(service) | {"PORT": str(number)} | settings,
    )


@pytest.fixture(scope="module")
def instance(image: str, service: dict[str, Any]) -> Iterator[Container]:
    with started(service) as ready:
        yield ready


def test_its_probes_succeed_as_declared(instance: Container, service: dict[str, Any]) -> None:
    startup = declared(service)["startupProbe"]
    limit = startup["periodSeconds"] * startup["failureThreshold"]
    FIGURES["Cloud Run: to ready"] = f"{instance.ready_seconds:.1f} of {limit} s"
    for kind in ("startupProbe", "livenessProbe"):
        probe = declared(service)[kind]
        assert probe["httpGet"]["port"] == instance.port
        began = time.monotonic()
        url = f"{instance.url}{probe['httpGet']['path']}"
        assert httpx2.get(url, timeout=PATIENCE_SECONDS).status_code == 200
        took = time.monotonic() - began
        FIGURES[f"Cloud Run: {kind}"] = f"{took:.2f} of {probe['timeoutSeconds']} s"


def test_as_many_requests_at_once_as_it_is_given_succeed(
    instance: Container, service: dict[str, Any]
) -> None:
    at_once = service["spec"]["template"]["spec"]["containerConcurrency"]
    with (
        httpx2.Client(
            base_url=instance.url, timeout=PATIENCE_SECONDS, limits=httpx2.Limits()
        ) as client,
        ThreadPoolExecutor(at_once) as pool,
    ):
        began = time.monotonic()
        asked = [pool.submit(client.post, "/predict/", content=BODY) for _ in range(at_once)]
        answers = [one.result() for one in asked]
        took = time.monotonic() - began
    FIGURES[f"Cloud Run: {at_once} requests at once"] = f"all answered in {took:.2f} s"
    assert [answer.status_code for answer in answers] == [200] * at_once
    assert not instance.state()["OOMKilled"]


def test_without_a_database_no_label_is_taken(instance: Container) -> None:
    label = {"request_id": "123", "label": 8}
    answer = httpx2.post(f"{instance.url}/feedback/", json=label, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 503
    assert "labels may not have been kept" in answer.json()["detail"]


def test_it_ends_by_itself_when_it_is_told_to(image: str, service: dict[str, Any]) -> None:
    with started(service) as ending:
        began = time.monotonic()
        ending.stop()
        took = time.monotonic() - began
        FIGURES["Cloud Run: from SIGTERM to exit 0"] = f"{took:.1f} of {STOP_SECONDS} s"
        # Killed, it would not end with 0.
        assert ending.state()["ExitCode"] == 0
