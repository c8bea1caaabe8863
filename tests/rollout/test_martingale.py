"""The test that guards decide by, against exact numbers."""

from fractions import Fraction
from math import comb, exp, log

import numpy as np
import pytest

from rollout.martingale import is_evident, log_evidence


def exact(successes: int, failures: int, null: Fraction) -> Fraction:
    """The same by a sum of fractions: the integral over p > null is a tail of a binomial."""
    trials = successes + failures
    tail = sum(
        comb(trials + 1, k) * null**k * (1 - null) ** (trials + 1 - k) for k in range(successes + 1)
    )
    whole = Fraction(1, (trials + 1) * comb(trials, successes))
    return whole * tail / (1 - null) / (null**successes * (1 - null) ** failures)


@pytest.mark.parametrize("null", [Fraction(1, 2), Fraction(1, 20), Fraction(9, 10)])
@pytest.mark.parametrize(
    ("successes", "failures"), [(0, 0), (1, 0), (0, 1), (7, 2), (2, 7), (60, 40), (0, 200)]
)
def test_it_is_what_a_sum_of_fractions_gives(null: Fraction, successes: int, failures: int) -> None:
    expected = float(exact(successes, failures, null))
    found = exp(float(log_evidence(successes, failures, float(null))))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("null", [Fraction(1, 2), Fraction(1, 4)])
def test_at_the_null_it_is_fair(null: Fraction) -> None:
    """Whatever was seen, what it is expected to be next is what it is."""
    for successes in range(6):
        for failures in range(6):
            after = null * exact(successes + 1, failures, null)
            after += (1 - null) * exact(successes, failures + 1, null)
            assert after == exact(successes, failures, null)


def test_nothing_seen_is_no_evidence() -> None:
    assert float(log_evidence(0, 0, 0.05)) == pytest.approx(0)


def test_equals_are_rarely_told_apart_however_often_one_looks() -> None:
    """4,000 sequences of 400 fair coins, looked at after each."""
    counts = np.arange(401)
    evident = log_evidence(counts[:, None], counts[None, :], 0.5) >= log(20)
    wins = (np.random.default_rng(0).random((4000, 400)) < 0.5).cumsum(axis=1)
    crossed = evident[wins, counts[1:] - wins].any(axis=1)
    assert 0.01 < crossed.mean() <= 0.05


def test_a_better_one_is_told_apart() -> None:
    assert is_evident(27, 4, 0.5, 0.02)
    assert not is_evident(4, 27, 0.5, 0.02)


def test_millions_are_no_trouble() -> None:
    assert is_evident(600_000, 400_000, 0.5, 1e-9)
    assert not is_evident(400_000, 600_000, 0.5, 0.5)
    assert not np.isnan(float(log_evidence(0, 10_000_000, 0.05)))
