"""``/metrics`` counts every request, whichever worker answered it and whatever became of that."""

import os
import re
import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.store import Store
from tests.drafts import LinearDraft
from tests.promtool import promtool
from tests.servers import Server, serve
from tests.waiting import until

BODY = Path("tests/data/predict_digit8.json").read_bytes()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    Store(home / "models").save(LinearDraft(answer=8))
    with serve(home, workers=2) as server:
        yield server


def samples(server: Server) -> Counter[tuple[str, str, str]]:
    """Sums by name, model and status: a route that nobody asked has series too, which are 0."""
    found: Counter[tuple[str, str, str]] = Counter()
    for family in text_string_to_metric_families(server.get("/metrics").text):
        for sample in family.samples:
            if sample.name.startswith("pupila_"):
                labels = sample.labels
                key = (sample.name, labels.get("model", ""), labels.get("status", ""))
                found[key] += int(sample.value)
    return found


def test_every_request_is_counted(running: Server) -> None:
    def ask(number: int) -> int:
        body = BODY if number % 4 else b"{"
        return running.post("/predict/", content=body).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(ask, range(80)))
    assert (statuses.count(200), statuses.count(400)) == (60, 20)
    found = samples(running)
    assert found["pupila_requests_total", "clf", "200"] == 60
    assert found["pupila_requests_total", "", "400"] == 20
    assert found["pupila_request_duration_seconds_count", "clf", ""] == 60
    assert found["pupila_request_seconds_count", "clf", ""] == 60
    assert found["pupila_batch_size_sum", "clf", ""] == 60
    assert found["pupila_queue_seconds_count", "clf", ""] <= 60
    assert found["pupila_requests_in_flight", "", ""] == 0


def test_a_server_that_starts_leaves_the_others_theirs(running: Server) -> None:
    # BentoML empties the folder of all servers that have the same home.
    before = samples(running)["pupila_requests_total", "clf", "200"]
    with serve(running.home, workers=1):
        assert running.post("/predict/", content=BODY).status_code == 200
    assert samples(running)["pupila_requests_total", "clf", "200"] == before + 1


def test_paths_that_do_not_exist_leave_no_trace(running: Server) -> None:
    for number in range(20):
        assert running.get(f"/made-up-{number}").status_code == 404
        assert running.get(f"/static_content/made-up-{number}").status_code == 404
    assert "made-up" not in running.get("/metrics").text


def test_nothing_is_said_twice(running: Server) -> None:
    names = set(re.findall(r"^(?:# TYPE )?([a-z_]+)", running.get("/metrics").text, re.MULTILINE))
    assert {name.partition("_")[0] for name in names} == {"pupila", "process"}


def test_promtool_finds_no_fault(running: Server) -> None:
    assert promtool("check", "metrics", text=running.get("/metrics").text) == ""


# More than the server's log has, which is a file too, and less than the database's.
_LITTLE = 40_000


@pytest.mark.skipif(sys.platform != "linux", reason="files are limited by prlimit")
def test_whatever_happens_the_records_add_up(tmp_path: Path) -> None:
    """On a full disk, after it, when a worker is killed, and at the end."""
    Store(tmp_path / "models").save(LinearDraft(answer=8))
    asked = 0

    def ask(count: int) -> None:
        nonlocal asked
        with ThreadPoolExecutor(4) as pool:
            statuses = list(
                pool.map(lambda _: server.post("/predict/", content=BODY).status_code, range(count))
            )
        assert set(statuses) == {200}
        asked += count

    def accounts() -> dict[str, int]:
        found: Counter[str] = Counter()
        for (name, _, _), value in samples(server).items():
            found[name.removeprefix("pupila_records_").removesuffix("_total")] += value
        return {name: found[name] for name in ("unsampled", "waiting", "written", "dropped")}

    def limit(bytes_: int) -> None:
        """What a file of the server's may grow to, as if there were no more room."""
        for worker in server.workers():
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (bytes_, resource.RLIM_INFINITY))

    with serve(tmp_path, workers=2, record_per_minute=1_000_000) as server:
        ask(40)
        until(lambda: accounts()["written"] == 40, accounts)
        limit(_LITTLE)
        ask(60)
        until(lambda: "no records are written for now" in server.log.read_text(), "a full disk")
        assert accounts() == {"unsampled": 0, "waiting": 60, "written": 40, "dropped": 0}
        limit(resource.RLIM_INFINITY)
        until(lambda: accounts()["written"] == 100, accounts)
        assert sum(accounts().values()) == asked
        limit(_LITTLE)
        ask(60)
        dead = server.workers()[0]
        variables = Path(f"/proc/{dead}/environ").read_text().split("\0")
        (folder,) = (one for one in variables if one.startswith("PROMETHEUS_MULTIPROC_DIR="))
        os.kill(dead, signal.SIGKILL)
        # What it was asked before it was gone is lost with it, and so could the next question be.
        until(lambda: "a worker died" in server.log.read_text(), "the end of one")
        until(lambda: samples(server)["pupila_worker_restarts_total", "", ""] == 1, accounts)
        until(lambda: sum(accounts().values()) == asked, accounts)
        left_behind = {path.name for path in Path(folder.partition("=")[2]).glob(f"*_{dead}w.db")}
        assert left_behind
        assert not any(name.startswith("gauge_live") for name in left_behind)
        killed = accounts()["dropped"]
        assert f'"records":{killed}' in server.log.read_text()
        limit(_LITTLE)
        left = accounts()["waiting"]
    (lost,) = re.findall(r"lost at the end: (\d+) records", server.log.read_text())
    assert int(lost) == left == asked - 100 - killed
