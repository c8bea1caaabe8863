"""What two windows against one reference make of a p-value, against simulation."""

import numpy as np
import pytest
from scipy.stats import chi2, kstwobign

from monitor.drift.recurrence import recurring


@pytest.mark.parametrize("freedom", [1, 2, 9])
@pytest.mark.parametrize(("images", "reference"), [(72, 360), (300, 360), (1000, 360)])
def test_two_windows_are_as_likely_as_in_a_simulation(
    images: int, reference: int, freedom: int
) -> None:
    rng = np.random.default_rng(0)
    own, shared = 1 / np.sqrt(images), 1 / np.sqrt(reference)
    theirs = shared * rng.normal(size=(50_000, freedom))
    limit = chi2.isf(0.05, freedom) * (own**2 + shared**2)
    first, second = (
        np.square(theirs + own * rng.normal(size=theirs.shape)).sum(axis=1) > limit
        for _ in range(2)
    )
    both = float((first & second).mean())
    found = recurring(0.05, images, reference, freedom)
    # Five standard errors.
    assert found**2 == pytest.approx(both, abs=5 * np.sqrt(both / 50_000))


@pytest.mark.parametrize(("images", "reference"), [(72, 360), (300, 360)])
def test_the_distance_of_kolmogorov_and_smirnov_recurs_no_more_often(
    images: int, reference: int
) -> None:
    rng = np.random.default_rng(0)
    grid = np.linspace(0.02, 0.98, 49)
    # Brownian bridges at some places, of the reference and of two windows.
    covariance = np.minimum.outer(grid, grid) - np.outer(grid, grid)
    root = np.linalg.cholesky(covariance)
    bridges = rng.normal(size=(3, 20_000, len(grid))) @ root.T
    theirs = bridges[0] / np.sqrt(reference)
    limit = kstwobign.isf(0.05) * np.sqrt(1 / images + 1 / reference)
    first, second = (
        np.abs(theirs + own / np.sqrt(images)).max(axis=1) > limit for own in bridges[1:]
    )
    both = float((first & second).mean())
    assert both <= recurring(0.05, images, reference, freedom=2) ** 2


def test_larger_windows_recur_more_often() -> None:
    found = [recurring(0.001, images, 360, freedom=2) for images in (50, 100, 300, 1000)]
    assert found == sorted(found)
    assert found[0] > 0.001


def test_a_large_reference_recurs_hardly() -> None:
    assert recurring(0.001, 100, 1e7, freedom=2) == pytest.approx(0.001, rel=0.01)


def test_the_order_stays() -> None:
    found = [recurring(p_value, 300, 360, freedom=1) for p_value in (0.0, 1e-40, 1e-9, 0.3, 1.0)]
    assert found == sorted(found)
    assert found[-1] == 1.0
