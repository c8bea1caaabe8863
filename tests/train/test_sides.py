import numpy as np
import pytest
from numpy.typing import NDArray

from errors import DatasetError
from train.sides import by_class, by_group, copied, united


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_proportion_of_each_class() -> None:
    indices = np.repeat([0, 1, 2], [2, 10, 100])
    held = by_class(indices, 0.2, rng())
    assert np.bincount(indices[held]).tolist() == [1, 2, 20]


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_whole_and_about_a_proportion_is_held_out(seed: int) -> None:
    indices = rng(1).integers(0, 5, 1000)
    groups = rng(2).integers(0, 40, 1000)
    held = by_group(indices, groups, 0.2, rng(seed))
    assert not set(groups[held]) & set(groups[~held])
    proportions = np.bincount(indices[held]) / np.bincount(indices)
    assert np.all(np.abs(proportions - 0.2) < 0.1)


def test_the_seed_decides_the_groups() -> None:
    indices, groups = np.arange(100) % 2, np.arange(100) // 5
    first, again, other = (by_group(indices, groups, 0.2, rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_class_within_one_group_is_trained_on() -> None:
    indices = np.array([0, 1, 0, 1, 0, 1, 2, 2])
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    for seed in range(10):
        held = by_group(indices, groups, 0.4, rng(seed))
        assert held.any()
        assert not held[6:].any()


def test_of_few_large_groups_one_is_held_out() -> None:
    indices, groups = np.arange(20) % 2, np.arange(20) // 10
    assert by_group(indices, groups, 0.1, rng()).sum() == 10


@pytest.mark.parametrize("seed", range(5))
def test_of_each_class_of_two_large_groups_one_is_held_out(seed: int) -> None:
    indices, groups = np.repeat([0, 1, 2], 10), np.arange(30) // 5
    held = by_group(indices, groups, 0.2, rng(seed))
    assert np.bincount(indices[held]).tolist() == [5, 5, 5]


def test_groups_that_are_the_classes_cannot_be_split() -> None:
    indices = np.repeat([0, 1], 10)
    with pytest.raises(DatasetError, match="those of each class are all of one group"):
        by_group(indices, indices, 0.2, rng())


def test_groups_with_equal_images_are_one() -> None:
    groups: NDArray[np.int64] = np.array([0, 1, 2, 3, 4])
    copies: NDArray[np.int64] = np.array([7, 8, 7, 9, 8])
    assert united(groups, copies).tolist() in ([0, 1, 0, 2, 1], [1, 2, 1, 0, 2], [0, 2, 0, 1, 2])


def test_what_is_held_out_though_its_copy_is_trained_on() -> None:
    held = np.array([True, True, False, False])
    assert copied(held, np.array([1, 2, 1, 3])).tolist() == [True, False, False, False]
