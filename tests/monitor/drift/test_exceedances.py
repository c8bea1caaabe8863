"""The exact test of how many images are beyond the reference, against counting and simulation."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from monitor.drift.exceedances import REPEATED, Exceedances, exceedance_p_value


@pytest.mark.parametrize(("many", "images", "rank"), [(3, 20, 1), (5, 50, 2), (9, 72, 7)])
def test_one_window_is_as_likely_as_counting_says(many: int, images: int, rank: int) -> None:
    exact = hypergeom.sf(many - 1, 360 + images, images, many + rank - 1)
    assert exceedance_p_value(many, images, rank, 360) >= exact


def test_two_windows_are_as_likely_as_in_a_simulation() -> None:
    rng = np.random.default_rng(0)
    # How much of the distribution is above the fourth-highest of 100.
    above = np.sort(rng.random((200_000, 100)), axis=1)[:, -4]
    first, second = (rng.binomial(300, 1 - above) for _ in range(2))
    both = float(((first >= 25) & (second >= 25)).mean())
    found = exceedance_p_value(25, 300, 4, 100)
    once = float(hypergeom.sf(24, 400, 300, 28))
    assert found > once
    # Five standard errors.
    assert (REPEATED * found) ** 2 == pytest.approx(both, abs=5 * np.sqrt(both / 200_000))


def test_nothing_beyond_is_no_evidence() -> None:
    assert exceedance_p_value(0, 100, 3, 360) == 1.0


def test_more_beyond_is_more_evidence_in_windows_of_any_size() -> None:
    for images in (50, 200, 1000):
        found = [exceedance_p_value(many, images, 4, 1797) for many in range(1, images)]
        assert found == sorted(found, reverse=True)


def test_a_large_window_needs_more_than_its_own_chance() -> None:
    """That of a thousand, against a reference of 360, is not to be repeated by chance."""
    once = float(hypergeom.sf(29, 1360, 1000, 36))
    assert exceedance_p_value(30, 1000, 7, 360) >= once


def test_the_limit_is_reached_by_as_many_of_the_reference_as_the_quantile_says() -> None:
    old = np.arange(350, dtype=np.float32)
    found = Exceedances.beyond(old, np.array([342.5, 343.5, 400], np.float32), 0.98)
    # Seven of the reference are at 343 or above; without rounding, 0.02 of 350 would be six.
    assert (found.many, found.usual) == (2, 7 / 350)
    assert found.excess == pytest.approx(2 / 3 - 7 / 350)
    assert Exceedances.beyond(old, old, 0.9999, fewest=2).usual == 2 / 350
