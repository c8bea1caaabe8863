"""A minute's worth."""

from serving.recording.allowance import Allowance


def test_a_minutes_worth_may_be_taken_at_once_and_fills_again() -> None:
    allowance = Allowance(60, now=0.0)
    assert allowance.wait(60, now=0.0) == 0
    allowance.take(60)
    assert allowance.wait(1, now=0.0) == 1
    assert allowance.wait(30, now=10.0) == 20
    assert allowance.wait(30, now=30.0) == 0


def test_it_is_never_more_than_full() -> None:
    allowance = Allowance(60, now=0.0)
    assert allowance.wait(60, now=1000.0) == 0
    allowance.take(60)
    assert allowance.wait(1, now=1000.0) == 1


def test_more_than_a_bucket_waits_for_a_full_one() -> None:
    allowance = Allowance(60, now=0.0)
    assert allowance.wait(1000, now=0.0) == 0
    allowance.take(1000)
    assert allowance.wait(1, now=0.0) == 941


def test_a_small_rate_still_holds_what_one_request_may_have() -> None:
    allowance = Allowance(1, now=0.0, at_least=1000)
    assert allowance.wait(1000, now=0.0) == 0
