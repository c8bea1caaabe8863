"""A running server and its database: what is acknowledged stays, what is away harms nobody."""

import contextlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Self

import httpx2
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from models.store import Store
from records.backup import back_up, restore
from records.database import Database
from tests.databases import Postgres, postgres_server
from tests.drafts import LinearDraft
from tests.servers import NO_TLS, ROOT, Server, environment, serve
from tests.waiting import PATIENCE_SECONDS, until

BODY = json.loads(Path("tests/data/predict_digit8.json").read_bytes())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    Store(tmp_path / "models").save(LinearDraft(answer=8))
    return tmp_path


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers on one database, which keep whatever they are asked."""
    home = tmp_path_factory.mktemp("pair")
    Store(home / "models").save(LinearDraft(answer=8))
    with serve(home, workers=2, record_per_minute=1_000_000) as server:
        yield server


def file(home: Path) -> Path:
    return home / "pupila" / "records.db"


def count(home: Path, query: str) -> int:
    with closing(sqlite3.connect(file(home))) as connection:
        return int(connection.execute(query).fetchone()[0])


def labelled(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.exec_driver_sql("select count(*) from labels").scalar_one())


def metric(server: Server, name: str) -> float:
    """The sum over all its labels and workers."""
    families = text_string_to_metric_families(server.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return sum(sample.value for sample in samples if sample.name == name)


def predict(server: Server, request_id: object) -> int:
    return server.post("/predict/", json=BODY | {"request_id": request_id}).status_code


def say(server: Server, request_id: object, label: object = 8) -> httpx2.Response:
    return server.post("/feedback/", json={"request_id": request_id, "label": label})


class Crowd:
    """Clients that each do the same again and again, with another name, until the block ends.

    ``results`` are those of ``work`` that are not None.
    """

    def __init__(self, work: Callable[[str], object], clients: int = 4) -> None:
        self.results: list[object] = []
        self._work = work
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(client,)) for client in range(clients)
        ]

    def _repeat(self, client: int) -> None:
        number = 0
        # As often as the tests need it; without a pause, they all wait for the same CPUs.
        while not self._done.wait(0.005):
            number += 1
            result = self._work(f"{client}-{number}")
            if result is not None:
                self.results.append(result)

    def more(self, number: int = 200) -> None:
        """Return when there are as many more results."""
        wanted = len(self.results) + number
        until(lambda: len(self.results) >= wanted, f"{wanted} results")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def crowd(server: Server) -> Iterator[Crowd]:
    """Clients that ask for predictions all the time; their results are the statuses."""
    with (
        httpx2.Client(base_url=server.url, timeout=PATIENCE_SECONDS, verify=NO_TLS) as client,
        Crowd(lambda _: client.post("/predict/", json=BODY).status_code) as asking,
    ):
        yield asking


def test_a_label_right_after_its_prediction_whichever_worker_has_it(pair: Server) -> None:
    def both(number: int) -> tuple[int, int]:
        return predict(pair, f"both-{number}"), say(pair, f"both-{number}").status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(both, range(40))) == {(200, 200)}
    assert say(pair, "nobody").status_code == 404
    assert count(pair.home, "select count(*) from labels where request_id like 'both-%'") == 40


def test_it_may_be_backed_up_and_restored_meanwhile(pair: Server, tmp_path: Path) -> None:
    with crowd(pair) as asking, Database(f"sqlite:///{file(pair.home)}") as database:
        asking.more()
        saved = back_up(database, tmp_path / "saved").rows["predictions"]
        enough = metric(pair, "pupila_records_written_total") + 100
        until(lambda: metric(pair, "pupila_records_written_total") > enough, "records written")
        restore(database, tmp_path / "saved", replace=True)
        query = "select count(*) from predictions"
        until(lambda: count(pair.home, query) > saved, "more records than were restored")
        assert say(pair, BODY["request_id"]).is_success
    assert set(asking.results) == {200}


def test_a_database_that_is_deleted_and_comes_back(pair: Server) -> None:
    database = file(pair.home)
    with crowd(pair) as asking:
        asking.more()
        for path in database.parent.iterdir():
            path.unlink()
        asking.more()
        until(lambda: database.exists() and say(pair, BODY["request_id"]).is_success, "a label")
        asking.more()
    assert set(asking.results) == {200}
    assert count(pair.home, "select count(*) from predictions") > 0


def test_a_database_that_is_locked(home: Path) -> None:
    with (
        serve(home, record_per_minute=1_000_000, record_buffer_bytes=200_000) as server,
        crowd(server) as asking,
    ):
        asking.more()
        with closing(sqlite3.connect(file(home), isolation_level=None)) as connection:
            connection.execute("begin immediate")
            answer = say(server, BODY["request_id"])
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            until(lambda: metric(server, "pupila_records_dropped_total") > 0, "records dropped")
            connection.execute("rollback")
        enough = metric(server, "pupila_records_written_total") + 100
        until(lambda: metric(server, "pupila_records_written_total") > enough, "records written")
        until(lambda: say(server, BODY["request_id"]).is_success, "a label")
    assert set(asking.results) == {200}
    asked = len(asking.results)
    assert count(home, "select sum(count) from traffic where kind = 'status'") == asked


def test_a_database_that_cannot_be_reached_at_the_start(home: Path) -> None:
    (home / "pupila").write_text("a file where the folder should be")
    with serve(home) as server:
        assert predict(server, "a") == 200
        assert say(server, "a").status_code == 503
        (home / "pupila").unlink()
        until(lambda: say(server, "a").status_code == 200, "a label")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as running:
        yield running


def test_postgresql_restored_and_stopped_under_load(home: Path, postgres: Postgres) -> None:
    url = postgres.database()
    with serve(home, workers=2, database_url=url) as server, crowd(server) as asking:
        asking.more()
        until(lambda: say(server, BODY["request_id"]).is_success, "a label")
        with Database(url) as database:
            saved = back_up(database, home / "saved").rows["labels"]
            restore(database, home / "saved", replace=True)
            until(lambda: say(server, BODY["request_id"], 3).is_success, "another label")
            assert labelled(database) > saved
        postgres.stop()
        try:
            until(lambda: say(server, BODY["request_id"]).status_code == 503, "no label")
            asking.more()
        finally:
            postgres.start()
        until(lambda: say(server, BODY["request_id"], 3).is_success, "a label again")
        asking.more()
    assert set(asking.results) == {200}


def test_every_label_that_was_acknowledged_survives_a_kill(pair: Server) -> None:
    def label(name: str) -> str | None:
        """The name, if its label was acknowledged."""
        with contextlib.suppress(httpx2.TransportError):
            predict(pair, f"kill-{name}")
            if say(pair, f"kill-{name}").status_code == 200:
                return f"kill-{name}"
        return None

    with Crowd(label) as labelling:
        for _ in range(3):
            labelling.more(25)
            os.kill(pair.workers()[0], signal.SIGKILL)
    query = "select request_id from labels where request_id like 'kill-%'"
    with closing(sqlite3.connect(file(pair.home))) as connection:
        kept = {row[0] for row in connection.execute(query)}
    assert len(labelling.results) >= 75
    assert set(labelling.results) <= kept


def test_another_schema_ends_the_start_with_one_sentence(home: Path) -> None:
    with Database(f"sqlite:///{file(home)}", create=True) as database:
        database.prepare()
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
        timeout=PATIENCE_SECONDS,
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


def test_the_disk_budget_is_kept_and_said(home: Path) -> None:
    body = {"model": "clf", "image": b64encode(noise_jpeg(600)).decode()}
    with serve(home, workers=2, record_disk="2MB") as server:
        for number in range(30):
            assert server.post("/predict/", body | {"request_id": str(number)}).status_code == 200
        until(lambda: metric(server, "pupila_records_written_total") == 30)
        until(lambda: "oldest records without a label were deleted" in server.log.read_text())
        # More may have been found in use once, before it was deleted.
        until(lambda: 0 < metric(server, "pupila_record_disk_bytes") <= 2_000_000)
        assert metric(server, "pupila_record_disk_budget_bytes") == 2_000_000
    assert 0 < count(home, "select count(*) from predictions") < 30


def noise_jpeg(side: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG", quality=90)
    return file.getvalue()
