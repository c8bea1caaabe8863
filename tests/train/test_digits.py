import numpy as np
from sklearn import datasets as sklearn_datasets

from images.spec import ImageSpec
from train.digits import load_digits

DIGITS = ImageSpec.parse("digits")


def test_digits_features_are_the_original_ink() -> None:
    dataset = load_digits(DIGITS)
    original = sklearn_datasets.load_digits()
    assert np.array_equal(dataset.features(), original.data)
    assert np.array_equal(dataset.targets, original.target)


def test_digits_come_in_any_spec() -> None:
    assert load_digits(ImageSpec.parse("rgb-4x4")).pixels.shape == (1797, 48)


def test_digits_labels_are_integers_with_their_counts() -> None:
    dataset = load_digits(DIGITS)
    assert dataset.labels == tuple(range(10))
    assert dataset.counts["0"] == 178
    assert sum(dataset.counts.values()) == len(dataset) == 1797
