"""The image at work: where it listens, how soon, how it ends, what it keeps."""

import contextlib
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.container.conftest import FIGURES
from tests.containers import STOP_SECONDS, Container, allowed, command, docker, running
from tests.load import Load

BODY = (Path(__file__).parent.parent / "data" / "predict_digit8.json").read_bytes()
DIGIT8 = json.loads(BODY)
READY_SECONDS = 5.0
REPLACED_SECONDS = 3.0


@pytest.fixture
def volume() -> Iterator[str]:
    name = f"pupila-{uuid.uuid4().hex}"
    docker("volume", "create", name)
    try:
        yield f"--volume={name}:/data"
    finally:
        docker("volume", "rm", name)


def predicted_by(container: Container, model: str = "clf") -> str:
    response = httpx2.post(f"{container.url}/predict/", json=DIGIT8 | {"model": model})
    assert response.json() == {"request_id": "123", "prediction": 8}
    return str(response.headers["x-model-version"])


def test_it_is_ready_within_5_seconds(container: Container) -> None:
    assert container.ready_seconds <= allowed(READY_SECONDS)


def test_it_listens_where_port_says(image: str) -> None:
    with running(port=8080, environment={"PORT": "8080"}) as container:
        assert predicted_by(container).startswith("clf:")


def test_memory_under_load(container: Container) -> None:
    with Load(container.url, BODY) as load:
        load.wait_for(1000)
        FIGURES["memory under load, 1 worker"] = f"{container.memory_mib():.0f} MiB"
    assert load.outcomes.keys() == {200}
    assert not container.state()["OOMKilled"]


def test_a_version_saved_to_a_volume_is_served_beside_those_packed(image: str, volume: str) -> None:
    with running(volume) as container:
        packed = predicted_by(container)
        command("python", "-m", "train", options=(volume,))
        saved = packed
        deadline = time.monotonic() + 10
        while saved == packed and time.monotonic() < deadline:
            saved = predicted_by(container)
        assert saved != packed
        assert predicted_by(container, packed) == packed
    with running(volume) as container:
        assert predicted_by(container) == saved
    assert packed in command("python", "-m", "models", "list", options=(volume,))


def test_two_containers_on_one_volume_count_by_themselves(image: str, volume: str) -> None:
    def counted(container: Container) -> float:
        return sum(
            sample.value
            for family in text_string_to_metric_families(
                httpx2.get(f"{container.url}/metrics").text
            )
            for sample in family.samples
            if sample.name == "pupila_requests_total"
        )

    with running(volume) as first:
        predicted_by(first)
        with running(volume) as second:
            assert counted(first) == 1
            assert counted(second) == 0


def test_told_to_end_under_load_it_loses_nothing(image: str) -> None:
    with running("--cpus=2", environment={"PUPILA_WORKERS": "2"}) as container:
        url = container.url
        with Load(url, BODY) as load:
            load.wait_for(200)
            began = time.monotonic()
            docker("kill", "--signal=TERM", container.id)
            said = set()
            with contextlib.suppress(httpx2.TransportError):
                while True:
                    said.add(httpx2.get(f"{url}/readyz").status_code)
            docker("wait", container.id)
            took = time.monotonic() - began
        assert container.state()["ExitCode"] == 0
    FIGURES["from SIGTERM under load to exit 0"] = (
        f"{took:.1f} s, {load.outcomes['lost']} of {load.outcomes[200]} requests lost"
    )
    assert 503 in said
    assert load.outcomes.keys() == {200, "refused"}, load.outcomes
    assert took < STOP_SECONDS


def test_a_slow_upload_does_not_keep_it_from_ending(image: str) -> None:
    def slowly() -> Iterator[bytes]:
        yield BODY[:10]
        docker("stop", f"--time={STOP_SECONDS}", container.id)

    with running(quiet=False) as container:
        with contextlib.suppress(httpx2.TransportError):
            httpx2.post(f"{container.url}/predict/", content=slowly(), timeout=30)
        assert container.state()["ExitCode"] == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_is_replaced(image: str, workers: int) -> None:
    clients = 16
    settings = {"PUPILA_WORKERS": str(workers)}
    with running("--cpus=2", environment=settings) as container:
        with Load(container.url, BODY, clients, pause=0.01) as load:
            load.wait_for(200)
            killed, *others = container.workers()
            container.run("sh", "-c", f"kill -9 {killed}")
            began = time.monotonic()
            if workers == 1:
                with pytest.raises(httpx2.TransportError):
                    httpx2.get(f"{container.url}/readyz", timeout=0.3)
            while container.log().count("Completed async startup hook") <= workers:
                assert time.monotonic() < began + 3 * allowed(REPLACED_SECONDS)
                time.sleep(0.05)
            took = time.monotonic() - began
            load.wait_for(200)
        (replacement,) = set(container.workers()) - {killed, *others}
        if others:
            # While the others are stopped, whoever answers is the new one.
            container.run("sh", "-c", f"kill -STOP {' '.join(others)}")
        assert httpx2.get(f"{container.url}/readyz").status_code == 200
        assert replacement in container.workers()
        if others:
            container.run("sh", "-c", f"kill -CONT {' '.join(others)}")
    FIGURES[f"from kill -9 to its replacement, {workers} workers"] = (
        f"{took:.1f} s, {load.outcomes['lost']} requests of {clients} clients lost"
    )
    assert load.outcomes.keys() <= {200, "lost"}
    assert load.outcomes["lost"] <= clients
    assert took <= allowed(REPLACED_SECONDS)
