"""The image at work: where it listens, how soon, how it ends, what it keeps."""

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.bombs import BOMBS, attack
from tests.container.conftest import FIGURES
from tests.containers import Container, command, docker, running
from tests.load import Load
from tests.waiting import PATIENCE_SECONDS, until

# For each kind; ``CONTAINER_BOMB_SECONDS=30 make image-test`` is the whole of it.
BOMB_SECONDS = float(os.environ.get("CONTAINER_BOMB_SECONDS", "2"))
# One of them is enough for the short form: what they have in common is what it is about.
KINDS = ["JPEG", *(pytest.param(kind, marks=pytest.mark.whole) for kind in BOMBS if kind != "JPEG")]
BODY = (Path(__file__).parent.parent / "data" / "predict_digit8.json").read_bytes()
DIGIT8 = json.loads(BODY)


@pytest.fixture
def volume() -> Iterator[str]:
    name = f"pupila-{uuid.uuid4().hex}"
    docker("volume", "create", name)
    try:
        yield f"--volume={name}:/data"
    finally:
        docker("volume", "rm", name)


@pytest.fixture(scope="module")
def bombed(image: str) -> Iterator[Container]:
    """As small as Cloud Run's, with a deadline that clients may reach."""
    settings = {"PUPILA_DEADLINE_MS": "1000"}
    with running("--cpus=1", "--memory=512m", environment=settings) as ready:
        workers = ready.workers()
        yield ready
        assert ready.workers() == workers


def predicted_by(container: Container, model: str = "clf") -> str:
    url = f"{container.url}/predict/"
    response = httpx2.post(url, json=DIGIT8 | {"model": model}, timeout=PATIENCE_SECONDS)
    assert response.json() == {"request_id": "123", "prediction": 8}
    return str(response.headers["x-model-version"])


def test_it_is_ready_by_itself(container: Container) -> None:
    assert httpx2.get(f"{container.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200


def test_it_listens_where_port_says(image: str) -> None:
    with running(port=8080, environment={"PORT": "8080"}) as container:
        assert predicted_by(container).startswith("clf:")


def test_memory_under_load(container: Container) -> None:
    with Load(container.url, BODY) as load:
        load.wait_for(1000)
        FIGURES["memory under load, 1 worker"] = f"{container.memory_mib():.0f} MiB"
    assert load.outcomes.keys() == {200}
    assert not container.state()["OOMKilled"]


@pytest.mark.parametrize("kind", KINDS)
def test_bombs_from_32_clients_kill_nobody(image: str, bombed: Container, kind: str) -> None:
    seen = attack(bombed.url, BODY, BOMBS[kind](), clients=32, seconds=BOMB_SECONDS)
    assert seen.keys() <= {200, 400, 503}, seen
    assert not bombed.state()["OOMKilled"]
    FIGURES[f"memory after {kind} from 32 clients, 512 MiB"] = f"{bombed.memory_mib():.0f} MiB"


def test_a_version_saved_to_a_volume_is_served_beside_those_packed(image: str, volume: str) -> None:
    with running(volume) as container:
        packed = predicted_by(container)
        command("python", "-m", "train", options=(volume,))
        until(lambda: predicted_by(container) != packed, "an answer of the saved version")
        saved = predicted_by(container)
        assert predicted_by(container, packed) == packed
    with running(volume) as container:
        assert predicted_by(container) == saved
    assert packed in command("python", "-m", "models", "list", options=(volume,))


def test_two_containers_on_one_volume_count_by_themselves(image: str, volume: str) -> None:
    def counted(container: Container) -> float:
        return sum(
            sample.value
            for family in text_string_to_metric_families(
                httpx2.get(f"{container.url}/metrics", timeout=PATIENCE_SECONDS).text
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
                    # Who is gone may not even refuse, as its address is gone too.
                    said.add(httpx2.get(f"{url}/readyz", timeout=5).status_code)
            docker("wait", container.id)
            took = time.monotonic() - began
        assert container.state()["ExitCode"] == 0
    FIGURES["from SIGTERM under load to exit 0"] = (
        f"{took:.1f} s, {load.outcomes['lost']} of {load.outcomes[200]} requests lost"
    )
    assert 503 in said
    assert load.outcomes.keys() == {200, "refused"}, load.outcomes


def test_a_slow_upload_does_not_keep_it_from_ending(image: str) -> None:
    def slowly() -> Iterator[bytes]:
        yield BODY[:10]
        container.stop()

    with running(quiet=False) as container:
        answer = httpx2.post(
            f"{container.url}/predict/", content=slowly(), timeout=PATIENCE_SECONDS
        )
        assert container.state()["ExitCode"] == 0
    assert answer.status_code == 503
    assert answer.json() == {"detail": "The server is shutting down; send it again."}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.whole)])
def test_a_killed_worker_is_replaced(image: str, workers: int) -> None:
    clients = 16
    settings = {"PUPILA_WORKERS": str(workers)}
    with running("--cpus=2", environment=settings) as container:
        with Load(container.url, BODY, clients, pause=0.01) as load:
            load.wait_for(200)
            killed, *others = container.workers()
            container.run("sh", "-c", f"kill -9 {killed}")
            began = time.monotonic()
            until(
                lambda: container.log().count('"a worker has started"') > workers,
                "one more worker that has started",
            )
            took = time.monotonic() - began
            load.wait_for(200)
        metrics = httpx2.get(f"{container.url}/metrics", timeout=PATIENCE_SECONDS).text
        # What it had in flight is in flight no more.
        assert "\npupila_requests_in_flight 0.0\n" in metrics
        assert 'pupila_worker_restarts_total{reason="SIGKILL"} 1.0' in metrics
        (replacement,) = set(container.workers()) - {killed, *others}
        if others:
            # While the others are stopped, whoever answers is the new one.
            container.run("sh", "-c", f"kill -STOP {' '.join(others)}")
        ready = httpx2.get(f"{container.url}/readyz", timeout=PATIENCE_SECONDS)
        assert ready.status_code == 200
        assert replacement in container.workers()
        if others:
            container.run("sh", "-c", f"kill -CONT {' '.join(others)}")
    FIGURES[f"from kill -9 to its replacement, {workers} workers"] = (
        f"{took:.1f} s, {load.outcomes['lost']} requests of {clients} clients lost"
    )
    assert load.outcomes.keys() <= {200, "lost"}
    assert load.outcomes["lost"] <= clients
