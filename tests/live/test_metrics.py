"""``/metrics`` counts every request, whichever worker answered it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.store import Store
from tests.drafts import LinearDraft
from tests.servers import Server, serve

BODY = Path("tests/data/predict_digit8.json").read_bytes()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Server]:
    Store(tmp_path / "models").save(LinearDraft(answer=8))
    with serve(tmp_path, workers=2) as server:
        yield server


def samples(server: Server) -> dict[tuple[str, str, str], float]:
    """Value by name, model and status."""
    text = httpx2.get(f"{server.url}/metrics").text
    return {
        (sample.name, sample.labels.get("model", ""), sample.labels.get("status", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("pupila_")
    }


def test_every_request_is_counted(running: Server) -> None:
    def ask(number: int) -> int:
        body = BODY if number % 4 else b"{"
        return httpx2.post(f"{running.url}/predict/", content=body).status_code

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
        assert httpx2.get(f"{running.url}/made-up-{number}").status_code == 404
        assert httpx2.get(f"{running.url}/static_content/made-up-{number}").status_code == 404
    assert "made-up" not in httpx2.get(f"{running.url}/metrics").text
