"""Models of MLflow: of a server that answers as a real one did, of one that lies, and of none."""

import base64
import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sklearn.datasets import load_digits

import models.offline.mlflow_http
from errors import SourceError
from models.import_commands import import_
from models.offline.mlflow_registry import MlflowServer
from models.offline.pickles import load
from models.offline.taking import Registry, take
from models.store import Store
from tests.servers import closed_port

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
RECORDED = Path("tests/models/recorded/mlflow.json")

Answers = dict[str, tuple[int, bytes]]


class StandIn:
    """Answers each path, its query included, as it is told; keeps what it was asked."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""


@contextmanager
def standing_in(answers: Answers, **headers: str) -> Iterator[StandIn]:
    stand_in = StandIn(answers)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            stand_in.asked.append((self.path, self.headers.get("Authorization")))
            status, content = stand_in.answers.get(self.path, (404, b"not here"))
            self.send_response(status)
            for name, value in ({"Content_Length": str(len(content))} | headers).items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stand_in
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def recorded() -> Answers:
    return {
        one["path"]: (one["status"], base64.b64decode(one["answer"]))
        for one in json.loads(RECORDED.read_bytes())
    }


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(import_, arguments, obj=Store(tmp_path / "models"))

    return run


def test_a_registered_pickle_is_described_until_it_is_trusted(
    recorded: Answers, tmp_path: Path, run: Run
) -> None:
    with standing_in(recorded) as server:
        text = "models:/digits-cloudpickle@champion"
        first = run(text, "--tracking-uri", server.url)
        assert first.exit_code == 1, first.output
        assert f"{text} is version 1 of digits-cloudpickle: model.pkl" in first.output
        assert "Its image spec is digits, as its metadata says." in first.output
        assert "sklearn.linear_model._logistic.LogisticRegression" in first.output
        assert "add --trust" in first.stderr
        assert Store(tmp_path / "models").versions() == []

        second = run(text, "--tracking-uri", server.url, "--trust")
        assert second.exit_code == 0, second.output
    (version,) = Store(tmp_path / "models").versions()
    assert version.name == "digits-cloudpickle"
    source = version.manifest.source
    assert source is not None
    assert (source.uri, source.version) == (text, "digits-cloudpickle/1")
    assert (source.server, source.file) == ("127.0.0.1", "model.pkl")
    assert source.run
    assert source.scikit_learn == "1.9.1"
    (content,) = {body for path, (_, body) in recorded.items() if path.endswith("/model.pkl")}
    assert source.sha256 == hashlib.sha256(content).hexdigest()
    version.artifact.open()


def test_a_registered_skops_file_needs_no_trust(recorded: Answers) -> None:
    with (
        standing_in(recorded) as server,
        take("models:/digits-skops@champion", Registry(server.url)) as taken,
    ):
        assert (taken.name, taken.described.features) == ("digits-skops", 64)
        assert taken.lines[0].startswith("models:/digits-skops@champion is version 1 of digits-sk")
        loaded = load(taken.path, trust=False)
    features, targets = load_digits(return_X_y=True)
    assert np.mean(loaded.estimator.predict(features) == targets) > 0.9
    assert not taken.path.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("models:/digits-skops@champion",), "say where that is, by --tracking-uri"),
        (("models:/digits-skops@champion", "--tracking-uri", "file:/x"), "begins with http://"),
        (("models:/nothing@champion", "--tracking-uri", "URL"), "127.0.0.1 answered 404"),
        (
            ("models:/digits-skops@champion", "--tracking-uri", "URL", "--image-spec", "gray-9x9"),
            "The classifier takes 64 features, as is written beside it, but image spec gray-9x9",
        ),
        (("tests/data/clf.pickle", "--name", "x", "--tracking-uri", "URL"), "is only for models:/"),
        (("hf://owner/name",), "download it with `hf download OWNER/NAME"),
        (("https://huggingface.co/owner/name",), "download it with `hf download OWNER/NAME"),
        (("models:/digits-skops", "--tracking-uri", "URL"), "names no model of MLflow: write"),
        (("tests/records",), "A pickle needs --name and --image-spec."),
        (("tests/records", "--name", "x"), "name the file itself"),
    ],
)
def test_what_cannot_be_taken(
    recorded: Answers, run: Run, arguments: tuple[str, ...], sentence: str
) -> None:
    with standing_in(recorded) as server:
        done = run(*(server.url if one == "URL" else one for one in arguments))
    assert done.exit_code in (1, 2)
    assert sentence in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.output


VERSION = {"name": "m", "version": "3", "run_id": "0" * 32}
WHERE = "mlflow-artifacts:/7/models/m-1/artifacts"


def registry(version: Any = VERSION, where: Any = WHERE, **files: Any) -> Answers:
    """A registry with one model; ``files``: of its folder, with ``__`` for a dot."""
    answers: dict[str, Any] = {
        f"{API}/model-versions/get?name=m&version=3": {"model_version": version},
        f"{API}/model-versions/get-download-uri?name=m&version=3": {"artifact_uri": where},
    }
    answers |= {
        f"{FILES}/7/models/m-1/artifacts/{name.replace('__', '.')}": content
        for name, content in files.items()
    }
    return {
        path: (200, content if isinstance(content, bytes) else json.dumps(content).encode())
        for path, content in answers.items()
    }


def refused(answers: Answers, text: str = "models:/m/3", **headers: str) -> str:
    with (
        standing_in(answers, **headers) as server,
        pytest.raises(SourceError) as caught,
        take(text, Registry(server.url)),
    ):
        pass
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    return sentence


MLMODEL = {"flavors": {"sklearn": {"pickled_model": "model.pkl"}}}


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        (registry(version=VERSION | {"name": "other"}), "not the version that was asked for"),
        (registry(version=VERSION | {"version": "../3"}), "not the version that was asked for"),
        (registry(version=5), "without a version"),
        (registry(where="s3://bucket/x"), "does not hand out files itself; these are at s3://b"),
        (registry(where="s3://me:secret@bucket/x"), "these are at s3://bucket/x"),
        (registry(where="mlflow-artifacts://evil.example/x"), "another server, which gets no"),
        (registry(where=f"http://evil.example{FILES}/x"), "another server, which gets no"),
        (registry(where="http://evil.example/x"), "does not hand out files itself"),
        (registry(where="mlflow-artifacts:/a/../../b"), "leads out of its folder"),
        (registry(where=None), "does not hand out files itself"),
        (registry(), "there is no MLmodel file"),
        (registry(MLmodel=b"\xff\xfe"), "is not one of MLflow"),
        (registry(MLmodel=MLMODEL), "does not have 'model.pkl' of version 3 of m"),
        (registry(MLmodel=b" " * (4 * 2**20 + 1)), "sends a file of more than 4,194,304 bytes"),
        ({f"{API}/model-versions/get?name=m&version=3": (200, b"<html>")}, "is not a JSON object"),
        ({f"{API}/model-versions/get?name=m&version=3": (200, b"[" * 9999)}, "not a JSON object"),
        ({f"{API}/model-versions/get?name=m&version=3": (401, b"")}, "PUPILA_MLFLOW_USERNAME"),
        ({f"{API}/model-versions/get?name=m&version=3": (403, b"no")}, "PUPILA_MLFLOW_TOKEN"),
        ({f"{API}/model-versions/get?name=m&version=3": (302, b"")}, "a redirect, which is not"),
        ({f"{API}/model-versions/get?name=m&version=3": (500, b'{"x":')}, "answered 500: is"),
        (
            {
                f"{API}/model-versions/get?name=m&version=3": (
                    404,
                    b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no\\u001b[2J"}',
                )
            },
            "MLflow at 127.0.0.1 has no models:/m/3.",
        ),
    ],
)
def test_a_server_that_lies_or_refuses(answers: Answers, sentence: str) -> None:
    assert sentence in refused(answers)


def test_a_length_that_lies() -> None:
    assert "more than 4,194,304" in refused(registry(), Content_Length=str(10**15))
    # Fewer bytes than were promised: the connection ends.
    assert "cannot be reached" in refused(registry(), Content_Length="1000", Connection="close")


def test_a_model_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.offline.mlflow_http, "MAX_BYTES", 1000)
    answers = registry(MLmodel=MLMODEL, model__pkl=bytes(1001))
    assert "sends a file of more than 1,000 bytes" in refused(answers)


@contextmanager
def dripping() -> Iterator[str]:
    """The address of a server whose head never ends, a byte every ten milliseconds."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not done.wait(0.01):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def test_a_server_that_speaks_too_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.offline.mlflow_http, "ANSWER_SECONDS", 0.2)
    with dripping() as url, pytest.raises(SourceError, match="did not finish an answer within"):
        MlflowServer(url).locate("models:/m/3")


def test_no_server() -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 cannot be reached \(ConnectError\)"):
        MlflowServer(f"http://127.0.0.1:{closed_port()}").locate("models:/m/3")


def test_credentials_are_sent_and_never_shown() -> None:
    with standing_in({}) as server:
        for authorization in ("Basic bWU6c2VjcmV0", "Bearer secret", None):
            with pytest.raises(SourceError) as caught:
                MlflowServer(server.url, authorization).locate("models:/m/3")
            assert "secret" not in str(caught.value)
            assert server.asked[-1][1] == authorization
        uri = server.url.replace("http://", "http://me:secret@")
        with pytest.raises(SourceError, match=r"MLflow at 127\.0\.0\.1 answered 404"):
            MlflowServer(uri).locate("models:/m/3")
        assert server.asked[-1][1] == f"Basic {base64.b64encode(b'me:secret').decode()}"


@pytest.mark.parametrize(
    "text",
    [
        *("models:x", "models:/", "models:/m", "models:/m@", "models:/@a", "models:/m/x"),
        *("models:/m/1/2", "models:/../3", "models:/m\n/3", "runs:/x", "runs:/../x/y"),
        "runs:/a b/c",
    ],
)
def test_what_names_no_model(text: str) -> None:
    with standing_in({}) as server:
        with pytest.raises(SourceError, match="names no model of MLflow: write models:/NAME@ALIAS"):
            MlflowServer(server.url).locate(text)
        assert server.asked == []


def as_json(**answers: Any) -> Answers:
    return {path: (200, json.dumps(found).encode()) for path, found in answers.items()}


LOGGED = f"m-{'1' * 32}"
INFO = {"artifact_uri": WHERE, "name": "model", "source_run_id": "r1"}


def test_other_ways_to_name_a_model() -> None:
    run = {"info": {"artifact_uri": "mlflow-artifacts:/7/r1/artifacts"}}
    outputs = {"model_outputs": [{"model_id": "../x"}, {"model_id": LOGGED}]}
    versions = [{"name": "m", "version": "2"}, {"name": "m", "version": "3"}]
    latest = f"{API}/registered-models/get-latest-versions?name=m"
    answers = registry() | as_json(
        **{
            f"{API}/runs/get?run_id=r1": {"run": run | {"outputs": outputs}},
            f"{API}/runs/get?run_id=r0": {"run": run},
            f"{API}/logged-models/{LOGGED}?": {"model": {"info": INFO}},
            latest: {"model_versions": versions},
            f"{latest}&stages=Production": {"model_versions": versions},
            f"{API}/registered-models/get-latest-versions?name=n": {},
        }
    )
    found = {}
    with standing_in(answers) as server:
        mlflow = MlflowServer(server.url)
        for text in (
            "models:/m/3",
            "models:/m/latest",
            "models:/m/production",
            f"models:/{LOGGED}",
            "runs:/r1/model",
            "runs:/r1/other",
            "runs:/r0/model/in",
        ):
            found[text] = mlflow.locate(text).where
        with pytest.raises(SourceError, match="has no models:/n/latest"):
            mlflow.locate("models:/n/latest")
        written_out = json.dumps({"artifact_uri": f"{server.url}{FILES}/7/x"}).encode()
        server.answers[f"{API}/model-versions/get-download-uri?name=m&version=3"] = 200, written_out
        assert mlflow.locate("models:/m/3").where == "7/x"
    logged, of_run = "7/models/m-1/artifacts", "7/r1/artifacts"
    assert list(found.values()) == [*[logged] * 5, f"{of_run}/other", f"{of_run}/model/in"]
