"""A server's life: new versions soon answer in every worker, a dead worker is replaced, and the end
loses no request.
"""

import contextlib
import http.client
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from models.store import Store
from models.version import Version
from tests.drafts import LinearDraft
from tests.load import Load
from tests.servers import NO_TLS, Server, serve
from tests.waiting import PATIENCE_SECONDS, until

BODY = Path("tests/data/predict_digit8.json").read_bytes()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers on a store that is empty at first; the last test ends them."""
    with serve(tmp_path_factory.mktemp("home"), workers=2, drain_ms=2000) as server:
        yield server


@pytest.fixture(scope="module")
def at_first(running: Server) -> httpx2.Response:
    """Whether it was ready before any version was saved."""
    return running.get("/readyz")


@pytest.fixture
def served(running: Server, at_first: httpx2.Response) -> Server:
    """It has a version to serve, whichever test is the first."""
    store = Store(running.home / "models")
    if not store.versions("clf"):
        store.save(LinearDraft(answer=1))
    until(lambda: running.get("/readyz").status_code == 200, "ready")
    return running


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
    served: Server,
    measure: Callable[[str], AbstractContextManager[None]],
) -> None:
    store = Store(served.home / "models")
    first = store.save(LinearDraft(answer=1))
    until(lambda: answers_everywhere(served, first), "the first version")
    failures: list[str] = []
    done = threading.Event()

    def keep_asking() -> None:
        with httpx2.Client(base_url=served.url, timeout=PATIENCE_SECONDS, verify=NO_TLS) as client:
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
            until(lambda: answers_everywhere(served, newest), "the new version")
        answers = [served.post("/predict/", content=BODY) for _ in range(40)]
    finally:
        done.set()
        for client in clients:
            client.join()
    assert failures == []
    assert {answer.headers["x-model-version"] for answer in answers} == {newest.tag}
    assert {answer.json()["prediction"] for answer in answers} == {2}


def worker_of(server: Server, client: http.client.HTTPConnection) -> int | None:
    """Who has the other end of its connection; None while it goes from one to another."""
    ends = (urlsplit(server.url).port, client.sock.getsockname()[1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if tuple(int(end.rpartition(":")[2], 16) for end in fields[1:3]) == ends:
            for worker in server.workers():
                if f"socket:[{fields[9]}]" in open_files(worker):
                    return worker
    return None


def open_files(process: int) -> set[str]:
    found = set[str]()
    for path in Path(f"/proc/{process}/fd").iterdir():
        # One may be closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            found.add(str(path.readlink()))
    return found


def test_clients_that_stay_are_shared_evenly(served: Server) -> None:
    clients = [http.client.HTTPConnection(urlsplit(served.url).netloc) for _ in range(16)]

    def asking() -> Counter[int | None]:
        """How many clients each worker has, once all have asked."""
        for client in clients:
            client.request("POST", "/predict/", BODY)
            with client.getresponse() as response:
                assert (response.status, bool(response.read())) == (200, True)
        return Counter(worker_of(served, client) for client in clients)

    with contextlib.ExitStack() as stack:
        for client in clients:
            stack.callback(client.close)
        (more, _), *_ = asking().most_common()
        of_more = [client for client in clients if worker_of(served, client) == more]
        for client in clients:
            if client not in of_more[:6]:
                client.close()
        clients = of_more[:6]
        until(lambda: set(asking().values()) == {3}, "three for each worker")


def test_a_killed_worker_is_replaced(served: Server) -> None:
    clients = 8
    before = set(served.workers())
    with Load(served.url, BODY, clients, pause=0.01) as load:
        load.wait_for(100)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(set(served.workers()) - {killed}) == len(before), "a new worker")
        after = set(served.workers()) - {killed}
        load.wait_for(100)
    assert len(after - before) == 1
    assert load.outcomes.keys() <= {200, "lost"}, load.outcomes
    assert load.outcomes["lost"] <= clients


def test_told_to_end_under_load_it_loses_no_request(served: Server) -> None:
    def refusal() -> httpx2.Response | None:
        answer = served.get("/readyz")
        return None if answer.is_success else answer

    with Load(served.url, BODY) as load:
        load.wait_for(200)
        served.process.send_signal(signal.SIGTERM)
        said = until(refusal, "an answer that it is not ready")
        assert served.process.wait(PATIENCE_SECONDS) == 0
    assert said is not None
    assert said.status_code == 503
    assert said.headers["connection"] == "close"
    assert said.json() == {"detail": "The server is shutting down."}
    assert load.outcomes.keys() == {200, "refused"}, load.outcomes
