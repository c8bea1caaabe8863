"""What a server process has in it, and what it has not."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.servers import NO_TLS, ROOT, Server, environment, serve
from tests.waiting import PATIENCE_SECONDS, until

FORBIDDEN = ("sklearn", "scipy", "skl2onnx", "onnx", "skops", "matplotlib", "joblib", "pandas")

# What BentoML imports in a worker by itself, and this service never uses.
UNUSED = ("aiohttp", "zmq", "tornado")

SERVE_AND_LIST = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from service import service
with TestClient(service.to_asgi()) as client:
    assert client.get("/readyz").status_code == 200
    body = Path("tests/data/predict_digit8.json").read_bytes()
    assert client.post("/predict/", content=body).json()["prediction"] == 8
print(*sorted({name.partition(".")[0] for name in sys.modules}), sep="\\n")
"""


def test_serving_loads_no_training_library(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE_AND_LIST],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "onnxruntime" in loaded
    assert loaded.isdisjoint(FORBIDDEN)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_worker_maps_a_training_library(server: Server, http: httpx2.Client) -> None:
    assert http.get("/readyz").status_code == 200
    (worker,) = server.workers()
    maps = Path(f"/proc/{worker}/maps").read_text()
    assert "/onnxruntime/" in maps
    for name in (*FORBIDDEN, *UNUSED):
        assert f"/site-packages/{name}/" not in maps


def test_a_worker_answers_through_bentomls_layers_too(home: Path) -> None:
    """As where traces are exported; what is left out of a worker is not missed there."""
    with serve(home, target="bench.peers.pupila_native:service") as native:
        body = Path("tests/data/predict_digit8.json").read_bytes()
        assert native.post("/predict/", content=body).json()["prediction"] == 8
        label = {"request_id": "123", "label": 8}
        assert native.post("/feedback/", json=label).json()["outcome"] == "added"


def test_a_wrong_setting_ends_the_start_with_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("bentoml")), "serve"],
        cwd=ROOT,
        env=environment(tmp_path, deadline_ms="soon"),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 1
    assert "PUPILA_DEADLINE_MS is 'soon', but should be a valid integer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="tells workers apart by /proc")
def test_what_is_passed_on_to_a_worker_that_starts_is_answered(home: Path) -> None:
    body = Path("tests/data/predict_digit8.json").read_bytes()
    with serve(home, workers=2) as two, contextlib.ExitStack() as stack:

        def started() -> int:
            return two.log.read_text().count("a worker has started")

        until(lambda: started() == 2, "both workers")
        os.kill(two.workers()[0], signal.SIGKILL)
        # What it was given before it was gone is lost with it.
        until(lambda: "a worker died" in two.log.read_text(), "the end of one")
        # All of them at the other, which passes on whatever comes next as soon as it may.
        for _ in range(8):
            client = stack.enter_context(
                httpx2.Client(base_url=two.url, timeout=PATIENCE_SECONDS, verify=NO_TLS)
            )
            assert client.post("/predict/", content=body).status_code == 200

        def answers_until_another_has_started() -> bool:
            assert two.post("/predict/", content=body).json()["prediction"] == 8
            return started() == 3

        until(answers_until_another_has_started, "the next worker")


def connections_of(worker: int, port: int) -> int:
    """How many a process has to clients of a port."""
    sockets = {
        str(descriptor.readlink())
        for descriptor in Path(f"/proc/{worker}/fd").iterdir()
        if descriptor.is_symlink()
    }
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    return sum(
        f"socket:[{line[9]}]" in sockets
        for line in lines
        if line[1].endswith(f":{port:04X}") and line[3] == established
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_each_worker_has_its_part_of_the_connections(home: Path) -> None:
    with serve(home, workers=2) as two, contextlib.ExitStack() as stack:
        port = int(two.url.rpartition(":")[2])
        until(lambda: two.log.read_text().count("a worker has started") == 2, "both workers")
        body = Path("tests/data/predict_digit8.json").read_bytes()
        clients = [
            stack.enter_context(
                httpx2.Client(base_url=two.url, timeout=PATIENCE_SECONDS, verify=NO_TLS)
            )
            for _ in range(8)
        ]
        for client in clients:
            assert client.post("/predict/", content=body).json()["prediction"] == 8
        found = [connections_of(worker, port) for worker in two.workers()]
        assert sum(found) == 8
        assert min(found) >= 3
        for client in clients:
            assert client.post("/predict/", content=body).json()["prediction"] == 8
