"""``/metrics`` counts every request, whichever worker answered it."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.store import Store
from tests.drafts import LinearDraft
from tests.servers import Server, serve

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
    assert found["pupila_request_seconds_count", "clf", ""] == 60
    assert found["pupila_batch_size_sum", "clf", ""] == 60
    assert found["pupila_queue_seconds_count", "clf", ""] <= 60
    assert found["pupila_requests_in_flight", "", ""] == 0


def test_paths_that_do_not_exist_leave_no_trace(running: Server) -> None:
    for number in range(20):
        assert running.get(f"/made-up-{number}").status_code == 404
        assert running.get(f"/static_content/made-up-{number}").status_code == 404
    assert "made-up" not in running.get("/metrics").text
