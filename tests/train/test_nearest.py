"""How unlike the training images others are."""

from dataclasses import replace

import numpy as np
import pytest

from images.spec import ImageSpec
from models.neighbours import NEIGHBOURS, Neighbours
from train.dataset import Dataset, split
from train.digits import load_digits
from train.nearest import nearest


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_digits(ImageSpec.parse("digits"))


def test_the_training_images_are_as_unlike_each_other_as_the_held_out_ones(
    digits: Dataset,
) -> None:
    parts = split(digits, 0.2, seed=0)
    rows = np.arange(len(parts.holdout))
    small, found = nearest(parts, rows, 0, drawn=True)
    assert len(small) == len(parts.train) < NEIGHBOURS
    assert len(found) == len(digits)
    held, among = found[: len(rows)], found[len(rows) :]
    expected = Neighbours(small, digits.spec).distances(parts.holdout.pixels[:])
    np.testing.assert_allclose(held, expected)
    for quantile in (0.5, 0.9, 0.98):
        assert np.quantile(held, quantile) == pytest.approx(np.quantile(among, quantile), rel=0.06)


def test_of_a_holdout_that_was_not_drawn_only_its_own_images_count(digits: Dataset) -> None:
    parts = split(digits, 0.2, seed=0)
    _, found = nearest(parts, np.arange(50), 0, drawn=False)
    assert len(found) == 50


def test_images_of_a_single_group_say_nothing_about_each_other(digits: Dataset) -> None:
    parts = split(digits, 0.2, seed=0)
    one = replace(parts.train, groups=np.full(len(parts.train), "writer"))
    _, found = nearest(replace(parts, train=one), np.arange(50), 0, drawn=True)
    assert len(found) == 50
