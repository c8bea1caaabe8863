"""A version saved while the server runs answers within 2 seconds, in every worker."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from models.store import Store
from tests.drafts import LinearDraft
from tests.servers import Server, serve

BODY = Path("tests/data/predict_digit8.json").read_bytes()
WITHIN_SECONDS = 2.0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path, workers=2) as server:
        yield server


def ask(server: Server) -> httpx2.Response:
    """One request on a connection of its own, so that either worker may take it."""
    return httpx2.post(f"{server.url}/predict/", content=BODY, timeout=10)


def test_a_server_becomes_ready_when_its_model_is_saved(running: Server) -> None:
    waiting = httpx2.get(f"{running.url}/readyz")
    assert waiting.status_code == 503
    assert waiting.json() == {
        "detail": "The store has no model 'clf'; train one with: python -m train --name clf"
    }
    Store(running.home / "models").save(LinearDraft(answer=1))
    deadline = time.monotonic() + WITHIN_SECONDS
    while httpx2.get(f"{running.url}/readyz").status_code != 200:
        assert time.monotonic() < deadline
    assert ask(running).json()["prediction"] == 1


def test_a_new_version_takes_over_and_no_request_fails(running: Server) -> None:
    store = Store(running.home / "models")
    store.save(LinearDraft(answer=1))
    time.sleep(WITHIN_SECONDS)
    failures: list[str] = []
    done = threading.Event()

    def keep_asking() -> None:
        with httpx2.Client(base_url=running.url) as client:
            while not done.is_set():
                response = client.post("/predict/", content=BODY)
                if response.status_code != 200 or response.json()["prediction"] not in (1, 2):
                    failures.append(response.text)

    clients = [threading.Thread(target=keep_asking) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        newest = store.save(LinearDraft(answer=2))
        time.sleep(WITHIN_SECONDS)
        answers = [ask(running) for _ in range(40)]
    finally:
        done.set()
        for client in clients:
            client.join()
    assert failures == []
    assert {answer.headers["x-model-version"] for answer in answers} == {newest.tag}
    assert {answer.json()["prediction"] for answer in answers} == {2}
