"""When a challenger is not asked any more."""

import logging

import pytest

from serving.routing.breaker import Breaker


def test_it_opens_at_the_tenth_failure_of_fifty(caplog: pytest.LogCaptureFixture) -> None:
    breaker = Breaker("clf:b")
    with caplog.at_level(logging.WARNING):
        for number in range(50):
            breaker.note(failed=number % 5 == 4)
            assert breaker.open == (number == 49)
        breaker.note(failed=True)
    [record] = caplog.records
    assert record.getMessage().startswith("clf:b failed 10 times in 50 attempts")


def test_failures_that_are_rare_are_for_the_guard() -> None:
    breaker = Breaker("clf:b")
    for number in range(10_000):
        breaker.note(failed=number % 20 == 0)
    assert not breaker.open


def test_it_stays_open() -> None:
    breaker = Breaker("clf:b")
    for _ in range(10):
        breaker.note(failed=True)
    for _ in range(100):
        breaker.note(failed=False)
    assert breaker.open
