"""A running server and its database: what is acknowledged stays, what is away harms nobody."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Self

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.store import Store
from tests.databases import Postgres, postgres_server
from tests.drafts import LinearDraft
from tests.servers import ROOT, Server, environment, serve

BODY = json.loads(Path("tests/data/predict_digit8.json").read_bytes())
SECONDS = 30.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    Store(tmp_path / "models").save(LinearDraft(answer=8))
    return tmp_path


def file(home: Path) -> Path:
    return home / "pupila" / "records.db"


def count(home: Path, query: str) -> int:
    with closing(sqlite3.connect(file(home))) as connection:
        return int(connection.execute(query).fetchone()[0])


def metric(server: Server, name: str) -> float:
    """The sum over all its labels and workers."""
    families = text_string_to_metric_families(httpx2.get(f"{server.url}/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name == name)


def predict(server: Server, request_id: object) -> int:
    """On a connection of its own, so that either worker may take it."""
    body = BODY | {"request_id": request_id}
    return httpx2.post(f"{server.url}/predict/", json=body, timeout=10).status_code


def say(server: Server, request_id: object, label: object = 8) -> httpx2.Response:
    body = {"request_id": request_id, "label": label}
    return httpx2.post(f"{server.url}/feedback/", json=body, timeout=20)


def until(happened: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Ask again until it has happened, or the time is over."""
    over = threading.Event()
    timer = threading.Timer(seconds, over.set)
    timer.start()
    try:
        while not happened():
            if over.wait(0.05):
                return False
        return True
    finally:
        timer.cancel()


class Crowd:
    """Clients that ask all the time, and the statuses that they get."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.server = server
        self.statuses: list[int] = []
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        with httpx2.Client(base_url=self.server.url, timeout=10) as client:
            while not self._done.is_set():
                self.statuses.append(client.post("/predict/", json=BODY).status_code)

    def more(self, number: int = 200) -> None:
        """Return when as many more have been answered."""
        wanted = len(self.statuses) + number
        assert until(lambda: len(self.statuses) >= wanted)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()


def test_a_label_right_after_its_prediction_whichever_worker_has_it(home: Path) -> None:
    with serve(home, workers=2) as server, ThreadPoolExecutor(4) as pool:

        def both(number: int) -> tuple[int, int]:
            return predict(server, number), say(server, number).status_code

        assert set(pool.map(both, range(40))) == {(200, 200)}
        assert say(server, "nobody").status_code == 404
    assert count(home, "select count(*) from labels") == 40


def test_a_database_that_is_deleted_and_comes_back(home: Path) -> None:
    with serve(home, workers=2, record_per_minute=100_000) as server, Crowd(server) as crowd:
        crowd.more()
        for path in file(home).parent.iterdir():
            path.unlink()
        crowd.more()
        assert until(lambda: file(home).exists() and say(server, BODY["request_id"]).is_success)
        crowd.more()
    assert set(crowd.statuses) == {200}
    assert count(home, "select count(*) from predictions") > 0


def test_a_database_that_is_locked(home: Path) -> None:
    with (
        serve(home, record_per_minute=1_000_000, record_buffer_bytes=200_000) as server,
        Crowd(server) as crowd,
    ):
        crowd.more()
        with closing(sqlite3.connect(file(home), isolation_level=None)) as connection:
            connection.execute("begin immediate")
            answer = say(server, BODY["request_id"])
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert until(lambda: metric(server, "pupila_records_dropped_total") > 0)
            connection.execute("rollback")
        before = metric(server, "pupila_records_written_total")
        assert until(lambda: metric(server, "pupila_records_written_total") > before + 100)
        assert until(lambda: say(server, BODY["request_id"]).is_success)
    assert set(crowd.statuses) == {200}
    asked = len(crowd.statuses)
    assert count(home, "select sum(count) from traffic where kind = 'status'") == asked


def test_a_database_that_cannot_be_reached_at_the_start(home: Path) -> None:
    (home / "pupila").write_text("a file where the folder should be")
    with serve(home) as server:
        assert predict(server, "a") == 200
        assert say(server, "a").status_code == 503
        (home / "pupila").unlink()
        assert until(lambda: say(server, "a").status_code == 200)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as running:
        yield running


def test_postgresql_stopped_under_load(home: Path, postgres: Postgres) -> None:
    url = postgres.database()
    with serve(home, workers=2, database_url=url) as server, Crowd(server) as crowd:
        crowd.more()
        assert until(lambda: say(server, BODY["request_id"]).is_success)
        postgres.stop()
        try:
            assert until(lambda: say(server, BODY["request_id"]).status_code == 503)
            crowd.more()
        finally:
            postgres.start()
        assert until(lambda: say(server, BODY["request_id"], 3).is_success)
        crowd.more()
    assert set(crowd.statuses) == {200}


def test_every_label_that_was_acknowledged_survives_a_kill(home: Path) -> None:
    acknowledged: list[int] = []
    with serve(home, workers=2, record_per_minute=100_000) as server:
        done = threading.Event()

        def stream(first: int) -> None:
            number = first
            while not done.is_set():
                with contextlib.suppress(httpx2.TransportError):
                    predict(server, number)
                    if say(server, number).status_code == 200:
                        acknowledged.append(number)
                number += 4

        clients = [threading.Thread(target=stream, args=(first,)) for first in range(4)]
        for client in clients:
            client.start()
        for _ in range(3):
            wanted = len(acknowledged) + 25
            assert until(lambda wanted=wanted: len(acknowledged) >= wanted)  # type: ignore[misc]
            os.kill(server.workers()[0], signal.SIGKILL)
        done.set()
        for client in clients:
            client.join()
        with closing(sqlite3.connect(file(home))) as connection:
            kept = {int(row[0]) for row in connection.execute("select request_id from labels")}
    assert len(acknowledged) >= 75
    assert set(acknowledged) <= kept


def test_another_schema_ends_the_start_with_one_sentence(home: Path) -> None:
    with serve(home):
        pass
    with closing(sqlite3.connect(file(home))) as connection, connection:
        [(name,)] = connection.execute("select name from sqlite_master where name like '%version'")
        connection.execute(f"update {name} set version_num = '9999'")  # noqa: S608
    done = subprocess.run(
        [str(Path(sys.executable).with_name("bentoml")), "serve"],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "was written by a newer Pupila" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_records_nothing_is_kept(home: Path) -> None:
    with serve(home, record="false") as server:
        assert predict(server, "a") == 200
        status = say(server, "a").status_code
    assert status == 404
    assert count(home, "select count(*) from predictions") == 0
