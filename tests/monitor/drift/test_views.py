"""Each view on columns made by hand; p-values of SciPy's documentation and of printed tables."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import hypergeom

from monitor.drift.class_mix import ClassMix
from monitor.drift.columns import Columns
from monitor.drift.exceedances import exceedance_p_value
from monitor.drift.recurrence import recurring
from monitor.drift.statistics import Statistic
from monitor.drift.views import (
    classes,
    image_statistics,
    outputs,
    reconstruction,
    unusual,
    views,
)

BRIGHTNESS = Statistic("brightness", "brighter", "darker")
OTHER = Statistic("contrast", "higher in contrast", "lower in contrast")
GRID = np.arange(1000, dtype=np.float32)[:, None]


def columns(
    *,
    predicted: list[int] | None = None,
    statistics: NDArray[np.float32] | None = None,
    error: NDArray[np.float32] | None = None,
    images: int = 0,
) -> Columns:
    """What is not given is the same for all images."""
    known = [predicted, statistics, error]
    count = images or next(len(one) for one in known if one is not None)
    certain = np.zeros((count, 3), np.float32)
    certain[np.arange(count), predicted if predicted is not None else 0] = 1
    return Columns(
        outputs=certain,
        statistics=np.zeros((count, 1), np.float32) if statistics is None else statistics,
        error=np.zeros(count, np.float32) if error is None else error,
        strangeness=error,
    )


def bright(values: NDArray[np.float32]) -> Columns:
    return columns(statistics=values.astype(np.float32))


def predicted(*counts: int) -> Columns:
    return columns(predicted=np.repeat(np.arange(len(counts)), counts).tolist())


def usual(*counts: int) -> ClassMix:
    """Of a reference of which nothing else is known."""
    rows = predicted(*counts).predicted
    return ClassMix.of(rows, len(counts), rows)


@pytest.mark.parametrize(("step", "below"), [(60, False), (61, True)])
def test_the_limit_of_kolmogorov_and_smirnov_is_that_of_the_table(step: int, below: bool) -> None:
    # Smirnov, Annals of Mathematical Statistics 19 (1948): 1.358 sqrt(2 / 1000) = 0.0607 at 0.05.
    found = image_statistics(bright(GRID), bright(GRID + step), [BRIGHTNESS])
    assert found.effect == pytest.approx(step / 1000)
    assert (found.p_value < recurring(0.05, 1000, 1000, freedom=2)) is below


def test_p_values_are_times_the_number_of_columns() -> None:
    twice = np.hstack([GRID, GRID])
    one = image_statistics(bright(GRID), bright(GRID + 70), [BRIGHTNESS])
    two = image_statistics(bright(twice), bright(twice + 70), [BRIGHTNESS, OTHER])
    assert two.p_value == pytest.approx(2 * one.p_value)
    assert two.effect == one.effect


def test_a_darker_window_is_described_as_darker() -> None:
    found = image_statistics(bright(GRID), bright(GRID - 985), [BRIGHTNESS])
    assert found.summary == (
        "99.5% of the images are darker than all but 1% of the reference (expected: 1%)"
    )
    assert found.examples.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_brighter_part_is_described_as_a_part() -> None:
    window = GRID[::10].copy()
    window[:10] = 5000
    found = image_statistics(bright(GRID), bright(window), [BRIGHTNESS])
    assert found.summary.startswith(
        "11% of the images are brighter than all but 1% of the reference"
    )
    assert set(found.examples.tolist()) <= set(range(10))


def test_the_column_that_changed_is_described() -> None:
    old = np.hstack([GRID, GRID])
    new = np.hstack([GRID, GRID + 500])
    found = image_statistics(bright(old), bright(new), [BRIGHTNESS, OTHER])
    assert "higher in contrast" in found.summary


def test_outputs_name_the_class_and_the_confidence() -> None:
    def confident(confidence: NDArray[np.float64]) -> Columns:
        both = np.stack([confidence, 1 - confidence], axis=1).astype(np.float32)
        return Columns(both, np.zeros((len(both), 1), np.float32), None)

    old, new = np.linspace(0.9, 1, 500), np.linspace(0.7, 0.8, 100)
    found = outputs(confident(old), confident(new), ["cat", "dog"])
    assert found.effect == 1
    assert "100% of the images are given a lower probability of class cat" in found.summary
    assert "mean confidence is 0.75 (reference: 0.95)" in found.summary


def test_scores_are_not_called_probabilities() -> None:
    rng = np.random.default_rng(0)
    old, new = (
        Columns(rng.normal(mean, 1, (100, 2)).astype(np.float32), np.zeros((100, 1), "f4"), None)
        for mean in (0, 3)
    )
    found = outputs(old, new, [0, 1])
    assert "given a higher score of class" in found.summary
    assert "confidence" not in found.summary


def test_chi_square_is_that_of_scipys_documentation() -> None:
    # chi2_contingency([[10, 10, 20], [20, 20, 20]]): 2.7778 with p = 0.24935; the rows' harmonic
    # size is 1 / (1/40 + 1/60) = 24, and w without its bias sqrt((2.7778 - 2) / 24).
    found = classes(usual(20, 20, 20), predicted(10, 10, 20), [0, 1, 2])
    assert found.p_value == pytest.approx(2 * recurring(0.24935220877729619, 40, 60, freedom=2))
    assert found.effect == pytest.approx(np.sqrt((2.7777777777777777 - 2) / 24))


def test_a_missing_class_is_found_by_fishers_test_alone() -> None:
    # All 30 images of the class are in the reference; times 2 for the tests, 3 for the classes.
    found = classes(usual(30, 135, 135), predicted(0, 50, 50), [0, 1, 2])
    gone = hypergeom.pmf(0, 400, 30, 100)
    assert 6 * recurring(gone, 100, 300, freedom=1) <= found.p_value < 0.02
    assert (
        found.summary == "class 0 is no longer predicted (0% of the images, 10% of the reference)"
    )
    assert found.examples.tolist() == []


def test_a_class_that_doubled_is_described_and_shown() -> None:
    found = classes(usual(400, 500, 100), predicted(35, 45, 20), ["a", "b", "c"])
    assert (
        found.summary
        == "class c is predicted twice as often (20% of the images, 10% of the reference)"
    )
    assert found.examples.tolist() == list(range(80, 88))


def test_a_single_class_has_not_changed() -> None:
    found = classes(usual(100, 0, 0), predicted(20), [0, 1, 2])
    assert (found.p_value, found.effect) == pytest.approx((1.0, 0.0))


def test_many_rare_classes_are_pooled() -> None:
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(200):
        old, new = (
            Columns(
                np.eye(300, dtype=np.float32)[rng.integers(300, size=count)],
                np.zeros((count, 1), np.float32),
                None,
            )
            for count in (500, 100)
        )
        mix = ClassMix.of(old.predicted, 300, old.predicted)
        p_values.append(classes(mix, new, range(300)).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.05


def test_an_unusual_part_by_hand() -> None:
    old = np.array([1, 2, 3, 4], np.float32)
    found = unusual(columns(error=old), columns(error=np.array([0, 1, 2, 9], np.float32)))
    assert (found.p_value, found.effect) == pytest.approx((1.0, 0.0))
    found = unusual(columns(error=old), columns(error=np.array([7, 8, 9, 10], np.float32)))
    # All four are above the reference: of 70 ways to choose four of eight, one. That two windows
    # are: of 495 ways to choose four of twelve, one. Twice that, for the two quantiles.
    assert found.p_value == pytest.approx(2 * max(1 / 70, np.sqrt(1 / 495) / 3), rel=1e-6)
    assert found.effect == pytest.approx(0.75)
    assert found.examples.tolist() == [3, 2, 1, 0]


def test_fewer_unusual_images_are_no_change() -> None:
    old = np.array([1, 2, 3, 9], np.float32)
    found = unusual(columns(error=old), columns(error=np.array([0, 1, 2, 3], np.float32)))
    assert (found.p_value, found.effect) == (1.0, 0.0)


@pytest.mark.parametrize("images", [72, 1000])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 1.0])
def test_the_share_of_unusual_images_is_that_above_the_references_own_limit(
    images: int, share: float
) -> None:
    rng = np.random.default_rng(0)
    old, new = rng.random(360).astype(np.float32), rng.random(images).astype(np.float32)
    odd = round(share * images)
    new[:odd] += 2
    found = unusual(columns(error=old), columns(error=new))
    shares = [(odd + (new[odd:] > np.sort(old)[-rank]).sum()) / images for rank in (2, 7)]
    assert found.effect in [
        pytest.approx(one - rank / 360) for one, rank in zip(shares, (2, 7), strict=True)
    ]
    assert found.p_value < (0.01 if share > 0.05 or images > 72 else 0.1)


def test_unusual_images_are_called_so_by_chance_as_rarely_as_they_should() -> None:
    rng = np.random.default_rng(3)
    p_values = np.array(
        [
            unusual(columns(error=old), columns(error=new)).p_value
            for old, new in (
                (rng.random(360, np.float32), rng.random(300, np.float32)) for _ in range(1000)
            )
        ]
    )
    for level in (0.05, 0.2):
        # Three standard errors.
        assert (p_values < level).mean() < level + 3 * np.sqrt(level / 1000)


def test_ties_are_not_unusual() -> None:
    same = columns(error=np.ones(300, np.float32))
    assert unusual(same, same).p_value == 1.0


def test_a_tenth_of_the_window_is_found_and_shown() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.random(500).astype(np.float32), rng.random(100).astype(np.float32)
    new[[3, 14, 15, 92, 65, 35, 89, 79, 32, 38]] = np.arange(10, 20)
    found = unusual(columns(error=old), columns(error=new))
    # Ten at least are above the second highest of the reference.
    assert 2 * exceedance_p_value(10, 100, 2, 500) >= found.p_value > 0
    assert found.examples.tolist() == [38, 32, 79, 89, 35, 65, 92, 15]
    assert found.summary == "11% of the images are unlike the training images (reference: 0.4%)"


def test_training_images_make_the_reference_of_unusual_ones_larger() -> None:
    rng = np.random.default_rng(0)
    new = rng.random(200, np.float32)
    new[:8] += 2
    few, many = rng.random(360, np.float32), rng.random(1797, np.float32)
    old = columns(error=few)
    found = unusual(old, columns(error=new))
    assert unusual(replace(old, strangeness=many), columns(error=new)).p_value < found.p_value / 5


def test_reconstruction_names_the_direction() -> None:
    error = GRID[:, 0]
    found = reconstruction(columns(error=error), columns(error=error + 990))
    assert "less like the training images than all but 1% of the reference" in found.summary
    found = reconstruction(columns(error=error), columns(error=error - 990))
    assert "plainer than all but 1% of the reference" in found.summary


def test_without_principal_components_there_is_no_error_to_compare() -> None:
    bare = Columns(np.ones((5, 1), np.float32), np.zeros((5, 1), np.float32), None)
    with pytest.raises(ValueError, match="how unlike the training images both are"):
        unusual(bare, bare)


def test_there_are_five_views() -> None:
    found = views([0, 1], [BRIGHTNESS], usual(10, 10))
    assert [view.name for view in found] == [
        "outputs",
        "classes",
        "reconstruction",
        "statistics",
        "unusual images",
    ]
    assert [view.needs for view in found] == [None, None, "error", None, "strangeness"]
