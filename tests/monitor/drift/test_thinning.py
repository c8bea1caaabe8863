"""Weighted records become images as they came."""

import numpy as np
import pytest

from monitor.drift.thinning import thin


def test_without_weights_all_are_kept() -> None:
    assert thin(4, None, np.random.default_rng(0)).tolist() == [0, 1, 2, 3]


def test_equal_weights_keep_all() -> None:
    assert len(thin(1000, np.full(1000, 7.0), np.random.default_rng(0))) == 1000


def test_what_is_kept_is_in_proportion_to_the_weights() -> None:
    weights = np.repeat([1.0, 4.0], 20_000)
    rows = thin(len(weights), weights, np.random.default_rng(0))
    light = int((rows < 20_000).sum())
    # A fifth of the traffic; 0.2 * 0.8 / 25,000 gives a standard deviation of 0.0025.
    assert light / len(rows) == pytest.approx(0.2, abs=0.0125)


def test_rows_are_in_order() -> None:
    rows = thin(100, np.linspace(0.1, 1, 100), np.random.default_rng(0))
    assert 0 < len(rows) < 100
    assert (np.diff(rows) > 0).all()


def test_a_heavy_image_does_not_cost_the_others() -> None:
    weights = np.ones(10_000)
    weights[5] = 50
    assert len(thin(10_000, weights, np.random.default_rng(0))) > 9_000


def test_no_images_stay_none() -> None:
    assert len(thin(0, np.empty(0), np.random.default_rng(0))) == 0


@pytest.mark.parametrize("weights", [[1.0, 0.0], [1.0, np.nan], [1.0, np.inf], [1.0]])
def test_weights_that_cannot_be_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="2 positive numbers"):
        thin(2, np.array(weights), np.random.default_rng(0))
