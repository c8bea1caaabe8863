"""How a server ends, and what becomes of requests when a part of it does."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from models.store import Store
from tests.drafts import LinearDraft
from tests.load import Load
from tests.servers import Server, serve
from tests.waiting import PATIENCE_SECONDS, until

BODY = Path("tests/data/predict_digit8.json").read_bytes()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers; the last test ends them."""
    home = tmp_path_factory.mktemp("home")
    Store(home / "models").save(LinearDraft(answer=8))
    with serve(home, workers=2, drain_ms=2000) as server:
        yield server


def test_a_killed_worker_is_replaced(running: Server) -> None:
    clients = 8
    before = set(running.workers())
    with Load(running.url, BODY, clients, pause=0.01) as load:
        load.wait_for(100)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(set(running.workers()) - {killed}) == len(before), "a new worker")
        after = set(running.workers()) - {killed}
        load.wait_for(100)
    assert len(after - before) == 1
    assert load.outcomes.keys() <= {200, "lost"}, load.outcomes
    assert load.outcomes["lost"] <= clients


def test_told_to_end_under_load_it_loses_no_request(running: Server) -> None:
    def refusal() -> httpx2.Response | None:
        answer = running.get("/readyz")
        return None if answer.is_success else answer

    with Load(running.url, BODY) as load:
        load.wait_for(200)
        running.process.send_signal(signal.SIGTERM)
        said = until(refusal, "an answer that it is not ready")
        assert running.process.wait(PATIENCE_SECONDS) == 0
    assert said is not None
    assert said.status_code == 503
    assert said.headers["connection"] == "close"
    assert said.json() == {"detail": "The server is shutting down."}
    assert load.outcomes.keys() == {200, "refused"}, load.outcomes
