"""Answers, counted."""

import pytest

from demo.ledger import Ledger, accuracy, latency, shares
from tests.demo.views import answer


def test_any_answer_that_is_not_200_has_failed() -> None:
    ledger = Ledger()
    ledger.add([answer(0, right=True), answer(1, right=True, status=503)])
    ledger.add([answer(2, right=True, status=0)])
    assert ledger.failed == 2
    assert len(ledger.answers) == len(ledger.truth) == 3


def test_no_answer_is_no_right_answer() -> None:
    assert accuracy([answer(0, right=True), answer(1, right=True, status=0)]) == 0.5
    assert accuracy([]) is None


def test_the_last_seconds_are_by_when_requests_were_sent() -> None:
    ledger = Ledger()
    # The second was answered after the third.
    ledger.add([answer(n, right=True) for n in (0, 10, 35, 30, 40)])
    assert {one.request_id for one in ledger.last(1.0)} == {"demo-30", "demo-35", "demo-40"}
    assert Ledger().last(1.0) == []


def test_shares_and_latency_are_of_what_came() -> None:
    answers = [
        answer(0, right=True, version="aaa"),
        answer(7, right=False, version="bbb"),
        answer(14, right=True, version="bbb"),
        answer(21, right=True, status=0),
    ]
    assert shares(answers) == {"aaa": 0.25, "bbb": 0.5}
    assert latency(answers) == pytest.approx((2.0, 2.0))
    assert latency([]) is None
