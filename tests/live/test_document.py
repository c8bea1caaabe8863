"""The server does what ``/docs.json`` says, as schemathesis finds by asking it."""

import subprocess
import sys
from pathlib import Path

import httpx2

from serving.http.routes import ROUTES
from tests.fuzz.attack import WHOLE
from tests.servers import Server


def test_no_answer_that_the_document_does_not_describe(server: Server, tmp_path: Path) -> None:
    # Parameters that nobody knows are ignored, as proxies add some.
    config = tmp_path / "schemathesis.toml"
    config.write_text("[generation]\nallow-extra-parameters = false\n")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{server.url}/docs.json",
            "--checks=all",
            # Not the stateful one: it takes a form with the same content in other bytes for wrong.
            "--phases=examples,coverage,fuzzing",
            # It takes any text for an image, since a schema cannot say what an image is.
            "--exclude-checks=positive_data_acceptance",
            f"--max-examples={500 if WHOLE else 20}",
            "--seed=1",
            # With one it looks for the best of all examples: half of its time.
            "--generation-database=none",
            # All but that most of the data was refused: a schema cannot say what an image is.
            "--warnings=missing_auth,missing_test_data,missing_deserializer",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    documented = sum(route.documented for route in ROUTES)
    assert f"Selected: {documented}/{documented}" in done.stdout
    assert "POST /predict/" not in done.stdout, "no operation is left out or fails"


def test_the_documents_own_example_is_answered(http: httpx2.Client) -> None:
    operation = http.get("/docs.json").json()["paths"]["/predict/"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["example"]
    assert http.post("/predict/", json=example).json() == {"request_id": "123", "prediction": 8}
