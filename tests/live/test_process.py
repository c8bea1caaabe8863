"""What a server process has in it, and what it has not."""

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.servers import ROOT, Server, environment, serve
from tests.waiting import PATIENCE_SECONDS

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
