"""Intervals against published examples."""

import numpy as np
import pytest
from scipy.stats import binomtest

from monitor.proportions import Proportion, Stratified, difference


@pytest.mark.parametrize(
    ("count", "size", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), pages 857 to 872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(count: int, size: int, low: float, high: float) -> None:
    interval = Proportion(count / size, size).interval()
    assert interval.value == count / size
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_is_scipys_at_other_levels() -> None:
    expected = binomtest(17, 40).proportion_ci(0.99, method="wilson")
    interval = Proportion(17 / 40, 40).interval(0.99)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), pages 873 to 890, table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_the_difference_is_newcombes(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    earlier, later = (Proportion(count / size, size) for count, size in (first, second))
    assert difference(earlier, later) == pytest.approx((low, high), abs=5e-5)


def test_weights_give_the_effective_sample_size_of_kish() -> None:
    # (3 + 1 + 1 + 1)² / (9 + 1 + 1 + 1) = 36 / 12 = 3
    proportion = Proportion.of(np.array([True, True, False, False]), np.array([3.0, 1.0, 1.0, 1.0]))
    assert proportion == Proportion(value=4 / 6, size=3.0)


def test_equal_weights_are_like_none() -> None:
    mask = np.array([True, False, False])
    assert Proportion.of(mask, np.full(3, 7.0)) == Proportion.of(mask)


def test_without_images_anything_is_possible() -> None:
    proportion = Proportion.of(np.zeros(0, dtype=bool))
    interval = proportion.interval()
    assert (proportion.size, interval.low, interval.high) == (0, 0, 1)


def test_certainty_has_a_variance() -> None:
    assert Proportion(0.0, 100).variance == pytest.approx((0.5 / 101) * (100.5 / 101) / 100)


def test_agresti_and_coull_by_hand() -> None:
    # 49 of 50: (49 + 1.92) / 53.84 and 1.96 of its standard error.
    found = Proportion(0.98, 50).cautious()
    assert (found.low, found.high) == pytest.approx((0.8853, 1.0), abs=5e-4)


def test_strata_are_weighted_to_their_shares() -> None:
    right = np.array([True] * 9 + [False] + [True] * 5 + [False] * 5)
    first = np.arange(20) < 10
    found = Stratified.over(right, [(first, 0.9, np.ones(20)), (~first, 0.1, np.ones(20))])
    assert found.value == pytest.approx(0.9 * 0.9 + 0.1 * 0.5)
    assert found.size == pytest.approx(1 / (0.81 / 10 + 0.01 / 10))
    inner = Proportion(0.9, 10).cautious(), Proportion(0.5, 10).cautious()
    below = np.hypot(0.9 * (0.9 - inner[0].low), 0.1 * (0.5 - inner[1].low))
    assert found.interval().low == pytest.approx(found.value - below)


def test_a_stratum_without_images_may_be_anything() -> None:
    everything = np.ones(50, dtype=bool)
    found = Stratified.over(
        everything, [(everything, 0.9, np.ones(50)), (~everything, 0.1, np.ones(50))]
    )
    assert found.value == 1.0
    assert found.interval().low < 0.9
    unknown = Stratified.over(everything, [(~everything, 1.0, np.ones(50))])
    assert unknown.size == 0
    assert (unknown.interval().low, unknown.interval().high) == (0, 1)


@pytest.mark.parametrize("hard", [0.02, 0.3])
@pytest.mark.parametrize("right", [0.6, 0.95, 0.99])
def test_the_interval_of_strata_covers(hard: float, right: float) -> None:
    rng = np.random.default_rng(2)
    first = np.arange(100) < 50
    ones = np.ones(100)
    truth = hard * 0.5 + (1 - hard) * right
    covered = 0
    for _ in range(400):
        mask = rng.random(100) < np.where(first, 0.5, right)
        interval = Stratified.over(mask, [(first, hard, ones), (~first, 1 - hard, ones)]).interval()
        covered += interval.low <= truth <= interval.high
    # 0.93 but for two standard errors.
    assert covered / 400 >= 0.905


@pytest.mark.parametrize("images", [100, 400])
@pytest.mark.parametrize("rates", [(0.1, 0.95), (0.3, 0.5), (0.5, 0.99)])
def test_the_shares_of_strata_are_of_a_sample_too(images: int, rates: tuple[float, float]) -> None:
    """Where all of a window is labelled, its accuracy is still that of a sample of production."""
    rng = np.random.default_rng(2)
    truth = 0.2 * rates[0] + 0.8 * rates[1]
    covered = bare = 0
    for _ in range(400):
        hard = rng.random(images) < 0.2
        right = rng.random(images) < np.where(hard, *rates)
        rows = np.concatenate([np.flatnonzero(hard)[:50], np.flatnonzero(~hard)])[:100]
        ones, share, chosen = np.ones(len(rows)), float(hard.mean()), hard[rows]
        strata = (chosen, share, ones), (~chosen, 1 - share, ones)
        interval = Stratified.over(right[rows], strata, images).interval()
        covered += interval.low <= truth <= interval.high
        interval = Stratified.over(right[rows], strata).interval()
        bare += interval.low <= truth <= interval.high
    # 0.93 but for two standard errors.
    assert covered / 400 >= 0.905
    if (images, rates) == (100, (0.1, 0.95)):
        assert bare / 400 < 0.9
