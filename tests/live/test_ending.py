"""How a server ends, and what becomes of requests when a part of it does."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from models.store import Store
from tests.drafts import LinearDraft
from tests.load import Load
from tests.servers import Server, serve

BODY = Path("tests/data/predict_digit8.json").read_bytes()
PATIENCE_SECONDS = 30


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Server]:
    Store(tmp_path / "models").save(LinearDraft(answer=8))
    with serve(tmp_path, workers=2, drain_ms=1000) as server:
        yield server


def test_told_to_end_under_load_it_loses_no_request(running: Server) -> None:
    with Load(running.url, BODY) as load:
        load.wait_for(200)
        running.process.send_signal(signal.SIGTERM)
        said = httpx2.Response(200)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while said.status_code == 200:
            assert time.monotonic() < deadline
            said = httpx2.get(f"{running.url}/readyz")
        assert running.process.wait(PATIENCE_SECONDS) == 0
    assert said.status_code == 503
    assert said.json() == {"detail": "The server is shutting down."}
    assert said.headers["connection"] == "close"
    assert load.outcomes.keys() == {200, "refused"}, load.outcomes


def test_a_killed_worker_is_replaced(running: Server) -> None:
    clients = 8
    before = set(running.workers())
    with Load(running.url, BODY, clients, pause=0.01) as load:
        load.wait_for(100)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(after := set(running.workers()) - {killed}) < len(before):
            assert time.monotonic() < deadline
        load.wait_for(100)
    assert len(after - before) == 1
    assert load.outcomes.keys() <= {200, "lost"}, load.outcomes
    assert load.outcomes["lost"] <= clients
