"""Intervals against published examples."""

import numpy as np
import pytest
from scipy.stats import binomtest

from monitor.proportions import Proportion, difference


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
