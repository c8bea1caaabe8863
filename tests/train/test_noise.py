"""Confident learning, against counts by hand and planted errors."""

import numpy as np
import pytest

from images.spec import ImageSpec
from train.dataset import Dataset, split
from train.digits import load_digits
from train.noise import out_of_fold, suspects

DIGITS = ImageSpec.parse("digits")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return split(load_digits(DIGITS), 0.5, seed=3).train


def test_an_image_that_counts_for_another_class_is_suspect() -> None:
    """Thresholds are 0.7 and 0.8: the last image of class 0 reaches that of class 1."""
    probabilities = np.array([[0.9, 0.1], [0.95, 0.05], [0.1, 0.9], [0.1, 0.9], [0.2, 0.8]])
    given = np.array([0, 0, 0, 1, 1])
    found, likeliest = suspects(probabilities, given)
    assert found.tolist() == [False, False, True, False, False]
    assert likeliest.tolist() == [0, 0, 1, 1, 1]


def test_without_an_error_nothing_is_suspect() -> None:
    given = np.repeat(np.arange(3), 10)
    found, _ = suspects(np.eye(3)[given] * 0.9 + 0.1 / 3, given)
    assert not found.any()


def test_a_class_without_images_is_counted_for_by_none() -> None:
    given = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.1, 0.3]] * 2 + [[0.1, 0.6, 0.3]] * 2)
    assert not suspects(probabilities, given)[0].any()


def test_planted_errors_of_digits_are_found(digits: Dataset) -> None:
    rng = np.random.default_rng(0)
    data = digits
    given = data.indices.copy()
    wrong = rng.permutation(len(given))[: round(0.03 * len(given))]
    given[wrong] = (given[wrong] + rng.integers(1, 10, len(wrong))) % 10
    probabilities = out_of_fold("logistic", {}, DIGITS.features(data.pixels[:]), given, 0)
    assert probabilities is not None
    found, likeliest = suspects(probabilities, given)
    assert found[wrong].mean() >= 0.8
    assert np.isin(np.flatnonzero(found), wrong).mean() >= 0.5
    assert (likeliest[wrong] == data.indices[wrong]).mean() >= 0.8


def test_a_class_with_too_few_images_cannot_be_checked(digits: Dataset) -> None:
    given = np.array([0] * 10 + [1] * 3)
    features = DIGITS.features(digits.pixels[:13])
    assert out_of_fold("logistic", {}, features, given, 0) is None


def test_a_class_that_would_be_left_with_one_image_cannot_be_checked() -> None:
    # Of two groups: an SVC is calibrated by two images of each class.
    given = np.array([0] * 10 + [1] * 4)
    groups = np.array([*range(10), 10, 10, 10, 11])
    features = np.random.default_rng(0).normal(given[:, None], 0.1, (14, 2)).astype(np.float32)
    assert out_of_fold("svc", {}, features, given, 0, groups) is None
    groups[-2] = 11
    assert out_of_fold("svc", {}, features, given, 0, groups) is not None
