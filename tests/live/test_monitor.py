"""The monitor next to a running server: it inspects what the server was sent."""

import base64
import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import numpy as np
import pytest

from images.spec import ImageSpec
from tests.drawing import png
from tests.forking import command
from tests.servers import NO_TLS, ROOT, Server, environment, serve
from train.digits import load_digits


def url(home: Path) -> str:
    """Records of this module alone, next to the models of all."""
    return f"sqlite:///{home}/monitored/records.db"


def monitor(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command("monitor", *arguments, env=environment(home, database_url=url(home)))


def ask(server: Server, *, negative: bool) -> None:
    """Predict 100 digits; the answer to a label comes once they are recorded."""
    dataset = load_digits(ImageSpec.parse("digits"))
    rows = np.random.default_rng(0).permutation(len(dataset))[:100]
    pixels = 255 - dataset.pixels[rows] if negative else dataset.pixels[rows]
    items = [
        {"request_id": f"{negative}-{row}", "image": base64.b64encode(content).decode()}
        for row, content in zip(rows, (png(image.reshape(8, 8)) for image in pixels), strict=True)
    ]
    with httpx2.Client(base_url=server.url, timeout=30, verify=NO_TLS) as client:
        assert client.post("/predict/batch/", json={"model": "clf", "items": items}).is_success
        body = {"request_id": items[-1]["request_id"], "label": int(dataset.targets[rows[-1]])}
        assert client.post("/feedback/", json=body).is_success


@pytest.fixture(scope="module")
def monitored(home: Path) -> None:
    with serve(home, database_url=url(home)) as server:
        ask(server, negative=False)
        assert monitor(home, "run", "--model", "clf", "--since", "1h").returncode == 0
        ask(server, negative=True)


def test_the_exit_code_is_3_on_an_alarm(home: Path, monitored: None) -> None:
    done = monitor(home, "run", "--last", "100", "--json")
    assert done.returncode == 3, done.stderr
    (report,) = json.loads(done.stdout)["reports"]
    assert report["states"]["quality"] == "alarm"
    assert "wrong polarity" in report["faulty"]


def test_an_error_is_one_sentence_and_1(home: Path) -> None:
    done = monitor(home / "nowhere", "run")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_watch_ends_on_a_signal(home: Path, monitored: None, number: int) -> None:
    command = [sys.executable, "-u", "-m", "monitor", "watch", "--every", "1m", "--model", "none"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(home, database_url=url(home)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "The store has no model 'none'" in process.stdout.readline()
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
