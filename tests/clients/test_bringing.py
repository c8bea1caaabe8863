"""Models that were made elsewhere, from a real MLflow server and as a repository of the Hub: what
is served says of every digit what the original says at home.

``make clients-test`` installs MLflow. With RECORD=1 it also writes down what MLflow answered, for
``tests/models/offline/test_taking.py``.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.clients.environments import interpreter
from tests.clients.proxy import recording
from tests.drawing import png
from tests.forking import command
from tests.servers import ROOT, Server, environment, free_port, serve
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    "CLIENTS" not in os.environ, reason="make clients-test installs MLflow"
)

HERE = Path(__file__).parent
RECORDED = ROOT / "tests" / "models" / "recorded"
_BATCH = 64


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    """The address of a server on a database of its own."""
    url = f"http://127.0.0.1:{free_port()}"
    program = [str(interpreter("mlflow_registry")), "-m", "mlflow", "server", "--workers", "1"]
    program += ["--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    program += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    program += ["--artifacts-destination", str(folder / "files")]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(program, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text()[-3000:]
            with contextlib.suppress(httpx2.TransportError):
                return httpx2.get(f"{url}/health", timeout=10).status_code == 200
            return False

        # Its imports take a minute on a busy machine.
        until(answers, lambda: log.read_text()[-3000:], 600)
        yield url
    finally:
        process.terminate()
        process.wait()


def at_home(url: str, folder: Path) -> dict[str, list[int]]:
    """What each model says of all digits, by what it is found by."""
    done = subprocess.run(
        [str(interpreter("mlflow_registry")), str(HERE / "mlflow_registry.py"), url, str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[int]] = json.loads(done.stdout.splitlines()[-1])
    return found


def served(server: Server, model: str) -> list[int]:
    pixels = np.rint(load_digits().images / 16 * 255).astype(np.uint8)
    images = [base64.b64encode(png(one)).decode() for one in pixels]
    labels: list[int] = []
    for start in range(0, len(images), _BATCH):
        items = [
            {"request_id": f"{model}-{start + number}", "image": image}
            for number, image in enumerate(images[start : start + _BATCH])
        ]
        answer = server.post("/predict/batch/", {"model": model, "items": items})
        assert answer.status_code == 200, answer.text
        labels += [item["prediction"] for item in answer.json()["items"]]
    return labels


def test_served_labels_are_those_at_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, hub, home = (tmp_path / name for name in ("mlflow", "hub", "home"))
    for one in (folder, hub, home):
        one.mkdir()
    names: dict[str, str] = {}
    with mlflow(folder) as url, recording(url) as (address, kept):
        wanted = at_home(url, hub)
        for text in wanted:
            arguments = ["models", "import", text, "--trust"]
            if text == str(hub):
                # Nothing in it runs code, so it needs no --trust.
                arguments = ["models", "import", text, "--name", "hub", "--image-spec", "digits"]
            done = command(
                *arguments, env=environment(home) | {"MLFLOW_TRACKING_URI": f"http://{address}"}
            )
            assert done.returncode == 0, done.stdout + done.stderr
            names[text] = done.stdout.partition("Imported ")[2].partition(":")[0]
    if "RECORD" in os.environ:
        RECORDED.mkdir(exist_ok=True)
        text = json.dumps([{k: one[k] for k in ("path", "status", "answer")} for one in kept])
        (RECORDED / "mlflow.json").write_text(text.replace("}, {", "},\n {") + "\n")
    with serve(home, default_model="hub") as server:
        found = {text: served(server, name) for text, name in names.items()}
    with capsys.disabled():
        sys.stdout.write("\nbringing: labels of served models that differ from those at home\n")
        for text, labels in wanted.items():
            differing = sum(a != b for a, b in zip(found[text], labels, strict=True))
            sys.stdout.write(f"  {names[text]}: {differing} of {len(labels)}\n")
    assert found == wanted
