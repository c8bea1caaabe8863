"""Intervals against published examples."""

import numpy as np
import pytest
from scipy.stats import binomtest

from monitor.proportions import Share, difference


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
    found = Share(count / size, size).interval()
    assert found.value == count / size
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_is_scipys_at_other_levels() -> None:
    expected = binomtest(17, 40).proportion_ci(0.99, method="wilson")
    found = Share(17 / 40, 40).interval(0.99)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


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
    one, other = (Share(count / size, size) for count, size in (first, second))
    assert difference(one, other) == pytest.approx((low, high), abs=5e-5)


def test_weights_count_as_many_images_as_kish_says() -> None:
    # (3 + 1 + 1 + 1)² / (9 + 1 + 1 + 1) = 36 / 12 = 3
    share = Share.of(np.array([True, True, False, False]), np.array([3.0, 1.0, 1.0, 1.0]))
    assert share == Share(value=4 / 6, size=3.0)


def test_equal_weights_are_none() -> None:
    mask = np.array([True, False, False])
    assert Share.of(mask, np.full(3, 7.0)) == Share.of(mask)


def test_of_nothing_anything_is_possible() -> None:
    share = Share.of(np.zeros(0, dtype=bool))
    interval = share.interval()
    assert (share.size, interval.low, interval.high) == (0, 0, 1)


def test_certainty_has_a_variance() -> None:
    assert Share(0.0, 100).variance == pytest.approx((0.5 / 101) * (100.5 / 101) / 100)
