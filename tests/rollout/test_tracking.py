"""A verdict on its way to MLflow: to a stand-in, and to the real one where it is installed."""

import contextlib
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from errors import RolloutError
from models.store import Store
from rollout.gate import outcome_of, verdict_checks
from rollout.measures import Answers, compare
from rollout.tracking import track, track_training
from rollout.verdict import Cost, GateRule, GateVerdict
from tests.drafts import LinearDraft
from tests.rollout.versions import Held, fingerprint
from tests.servers import closed_port, free_port
from tests.waiting import until

POLL = 0.01


@pytest.fixture(scope="module")
def verdict() -> GateVerdict:
    truth = np.arange(200) % 2
    right = np.arange(200) >= 20
    one = compare(
        "the champion's holdout",
        ("a&b", "c"),
        truth,
        np.ones(200),
        Answers(truth, None, None),
        Answers(np.where(right, truth, 1 - truth), None, None),
    )
    checks = verdict_checks([one], GateRule())
    outcome, because = outcome_of(checks)
    cost = Cost(latency_ms=0.5, size=1000, memory=None)
    return GateVerdict(
        at=datetime.now(UTC),
        model="clf",
        champion="clf:a",
        challenger="clf:b",
        outcome=outcome,
        because=because,
        checks=checks,
        holdouts=(one,),
        costs={"champion": cost, "challenger": cost},
        notes=(),
        rule=GateRule(),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@dataclass
class StandIn:
    """Answers as MLflow does to what is asked of it, or with a status; keeps the requests."""

    status: int = 200
    known: bool = False
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        if self.status != 200:
            return self.status, {}
        if "get-by-name" in path:
            return (200, {"experiment": {"experiment_id": "7"}}) if self.known else (404, {})
        if path.endswith("experiments/create"):
            return 200, {"experiment_id": "7"}
        info = {"run_id": "run1", "artifact_uri": "mlflow-artifacts:/7/run1/artifacts"}
        return 200, {"run": {"info": info}}


@contextlib.contextmanager
def standing_in(stand_in: StandIn) -> Iterator[StandIn]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            stand_in.asked.append((self.command, self.path, body))
            status, answer = stand_in.answer(self.path)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_GET  # noqa: N815 - as the base class calls them

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL,))
        thread.start()
        stand_in.url = f"http://user:secret@127.0.0.1:{server.server_address[1]}"
        try:
            yield stand_in
        finally:
            server.shutdown()
            thread.join()


def test_a_verdict_becomes_a_run(verdict: GateVerdict) -> None:
    with standing_in(StandIn()) as stand_in:
        assert track(stand_in.url, verdict) == "run1"
    paths = [path.partition("?")[0] for _, path, _ in stand_in.asked]
    api = "/api/2.0/mlflow"
    assert paths == [
        f"{api}/experiments/get-by-name",
        f"{api}/experiments/create",
        f"{api}/runs/create",
        f"{api}/runs/log-batch",
        f"{api}/runs/log-batch",
        f"{api}-artifacts/artifacts/7/run1/artifacts/verdict.html",
        f"{api}-artifacts/artifacts/7/run1/artifacts/verdict.json",
        f"{api}/runs/update",
    ]
    metrics = {one["key"]: one["value"] for one in json.loads(stand_in.asked[3][2])["metrics"]}
    assert metrics["holdout/accuracy/challenger"] == pytest.approx(0.9)
    assert metrics["holdout/accuracy/difference"] == pytest.approx(-0.1)
    assert metrics["holdout/class_a_b/recall/champion"] == 1
    assert metrics["cost/latency_ms/champion"] == 0.5
    assert GateVerdict.model_validate_json(stand_in.asked[6][2]) == verdict


def test_a_training_becomes_a_run(store: Store) -> None:
    version = store.save(Held(LinearDraft(), data=fingerprint(400)))
    with standing_in(StandIn(known=True)) as stand_in:
        assert track_training(stand_in.url, version, "200 new labels") == "run1"
    sent = [json.loads(body) for _, path, body in stand_in.asked if path.endswith("log-batch")]
    metrics = {one["key"]: one["value"] for one in sent[0]["metrics"]}
    assert metrics == {"images": 400, "holdout": 400}
    params = {one["key"]: one["value"] for one in sent[1]["params"]}
    assert params["version"] == version.tag
    assert params["data/sha256"] == "ab"
    assert sent[1]["tags"] == [{"key": "because", "value": "200 new labels"}]


def test_an_experiment_is_made_once(verdict: GateVerdict) -> None:
    with standing_in(StandIn(known=True)) as stand_in:
        track(stand_in.url, verdict)
    assert not any("experiments/create" in path for _, path, _ in stand_in.asked)


def test_a_server_that_refuses_is_one_sentence_without_its_password(verdict: GateVerdict) -> None:
    with standing_in(StandIn(status=403)) as stand_in, pytest.raises(RolloutError) as raised:
        track(stand_in.url, verdict)
    assert str(raised.value) == (
        "MLflow at 127.0.0.1 answered 403 to /api/2.0/mlflow/experiments/get-by-name, so it has "
        "no run of this."
    )


def test_a_server_that_is_away_is_one_sentence(verdict: GateVerdict) -> None:
    with pytest.raises(RolloutError, match=r"MLflow at 127\.0\.0\.1 cannot be used"):
        track(f"http://127.0.0.1:{closed_port()}", verdict)


@pytest.mark.parametrize("uri", ["file:///tmp/mlruns", "databricks", "http://", "http://[x"])
def test_only_a_server_will_do(verdict: GateVerdict, uri: str) -> None:
    with pytest.raises(RolloutError, match="MLFLOW_TRACKING_URI must begin with https"):
        track(uri, verdict)


@pytest.mark.skipif(shutil.which("mlflow") is None, reason="no MLflow is installed")
def test_mlflows_own_server_takes_it(verdict: GateVerdict, tmp_path: Path) -> None:
    port = free_port()
    program = shutil.which("mlflow") or ""
    command = [program, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    command += ["--artifacts-destination", str(tmp_path / "files")]
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:

        def ready() -> bool:
            assert server.poll() is None, (tmp_path / "log").read_text()
            with contextlib.suppress(httpx2.TransportError):
                return httpx2.get(f"{url}/health").status_code == 200
            return False

        # Its imports take a minute on a busy machine.
        until(ready, (tmp_path / "log").read_text, 300)
        run = track(url, verdict)
        track(url, verdict)
        found = httpx2.get(f"{url}/api/2.0/mlflow/runs/get", params={"run_id": run}).json()["run"]
    finally:
        server.terminate()
        server.wait()
    metrics = {one["key"]: one["value"] for one in found["data"]["metrics"]}
    assert metrics["holdout/accuracy/challenger"] == pytest.approx(0.9)
    assert found["info"]["status"] == "FINISHED"
    tags = {one["key"]: one["value"] for one in found["data"]["tags"]}
    assert tags["outcome"] == "refused"
    assert len(list((tmp_path / "files").rglob("verdict.html"))) == 2
