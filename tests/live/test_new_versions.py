"""A version saved while the server runs soon answers in every worker, and no request fails."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest

from models.store import Store
from models.version import Version
from tests.drafts import LinearDraft
from tests.servers import Server, serve
from tests.waiting import PATIENCE_SECONDS, until

BODY = Path("tests/data/predict_digit8.json").read_bytes()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers on a store that is empty at first."""
    with serve(tmp_path_factory.mktemp("home"), workers=2) as server:
        yield server


@pytest.fixture(scope="module")
def at_first(running: Server) -> httpx2.Response:
    """Whether it was ready before any version was saved."""
    return running.get("/readyz")


def answers_everywhere(server: Server, version: Version) -> bool:
    """Whether it gives all of many answers, which either worker may be asked for."""
    answers = (server.post("/predict/", content=BODY) for _ in range(40))
    return all(answer.headers.get("x-model-version") == version.tag for answer in answers)


def test_a_server_becomes_ready_when_its_model_is_saved(
    running: Server, at_first: httpx2.Response
) -> None:
    assert at_first.status_code == 503
    assert at_first.json() == {
        "detail": "The store has no model 'clf'; train one with: python -m train --name clf"
    }
    version = Store(running.home / "models").save(LinearDraft(answer=1))
    until(lambda: running.get("/readyz").status_code == 200, "ready")
    until(lambda: answers_everywhere(running, version), "an answer of both workers")
    assert running.post("/predict/", content=BODY).json()["prediction"] == 1


def test_a_new_version_takes_over_and_no_request_fails(
    running: Server,
    at_first: httpx2.Response,
    measure: Callable[[str], AbstractContextManager[None]],
) -> None:
    store = Store(running.home / "models")
    first = store.save(LinearDraft(answer=1))
    until(lambda: answers_everywhere(running, first), "the first version")
    failures: list[str] = []
    done = threading.Event()

    def keep_asking() -> None:
        with httpx2.Client(base_url=running.url, timeout=PATIENCE_SECONDS) as client:
            while not done.is_set():
                response = client.post("/predict/", content=BODY)
                if response.status_code != 200 or response.json()["prediction"] not in (1, 2):
                    failures.append(response.text)

    clients = [threading.Thread(target=keep_asking) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        newest = store.save(LinearDraft(answer=2))
        with measure("until a new version gives all answers, under load"):
            until(lambda: answers_everywhere(running, newest), "the new version")
        answers = [running.post("/predict/", content=BODY) for _ in range(40)]
    finally:
        done.set()
        for client in clients:
            client.join()
    assert failures == []
    assert {answer.headers["x-model-version"] for answer in answers} == {newest.tag}
    assert {answer.json()["prediction"] for answer in answers} == {2}
