"""Every prediction that may be kept is in exactly one account."""

from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from records.prediction import KeptPrediction
from serving.recording.ledger import Ledger

ACCOUNTS = ("unsampled_total", "disagreeing_total", "waiting", "written_total", "waiting_bytes")


def kept() -> KeptPrediction:
    return KeptPrediction(request_id="a", model="clf", at=datetime.now(UTC), image=bytes(500))


def accounts() -> dict[str, float]:
    return {name: REGISTRY.get_sample_value(f"pupila_records_{name}") or 0.0 for name in ACCOUNTS}


def dropped(reason: str) -> float:
    name = "pupila_records_dropped_total"
    return REGISTRY.get_sample_value(name, {"reason": reason}) or 0.0


@pytest.fixture
def before() -> dict[str, float]:
    return accounts()


def moved(before: dict[str, float]) -> dict[str, float]:
    return {
        name: value - before[name] for name, value in accounts().items() if value - before[name]
    }


def test_what_is_taken_waits_until_it_is_written(before: dict[str, float]) -> None:
    ledger, one = Ledger(10_000), kept()
    assert ledger.take(one)
    assert ledger.waiting == 1
    assert moved(before) == {"waiting": 1, "waiting_bytes": 1500}
    ledger.written([one])
    assert ledger.waiting == 0
    assert moved(before) == {"written_total": 1}


def test_what_is_replaced_was_left_out(before: dict[str, float]) -> None:
    ledger, one = Ledger(10_000), kept()
    ledger.take(one)
    ledger.replace(one)
    ledger.leave_out(1)
    assert moved(before) == {"unsampled_total": 2}


def test_what_has_no_room_is_dropped_and_room_comes_back(before: dict[str, float]) -> None:
    ledger, one, two = Ledger(2_000), kept(), kept()
    lost = dropped("memory")
    assert ledger.take(one)
    assert not ledger.take(two)
    assert dropped("memory") == lost + 1
    ledger.dropped([one], "stopped")
    assert ledger.take(two)
    ledger.written([two])
    assert moved(before) == {"written_total": 1}


def test_a_disagreement_is_counted_once_more(before: dict[str, float]) -> None:
    ledger, one = Ledger(10_000), kept()
    ledger.leave_out(1)
    ledger.take_disagreeing(one)
    ledger.written([one])
    assert moved(before) == {"unsampled_total": 1, "disagreeing_total": 1, "written_total": 1}
