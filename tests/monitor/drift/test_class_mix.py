"""How often each class is usual, and as how many images tell it."""

import numpy as np
import pytest

from monitor.drift.class_mix import ClassMix

EVERYTHING = np.array([100, 300, 600])


def held(mistakes: int) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true classes of a fifth of each; some of the second are taken for the first."""
    labels = np.repeat(np.arange(3), EVERYTHING // 5)
    predicted = labels.copy()
    predicted[20 : 20 + mistakes] = 0
    return predicted, labels


def test_without_more_it_is_what_was_counted() -> None:
    predicted, labels = held(0)
    mix = ClassMix.of(predicted, 3, labels)
    assert mix.proportions.tolist() == [0.1, 0.3, 0.6]
    assert mix.images.tolist() == [200, 200, 200]


def test_without_mistakes_nearly_all_images_tell_it() -> None:
    predicted, labels = held(0)
    mix = ClassMix.of(predicted, 3, labels, EVERYTHING)
    assert mix.proportions == pytest.approx([0.1, 0.3, 0.6])
    assert (mix.images > 700).all()
    assert (mix.images <= 1000).all()


def test_the_more_mistakes_the_less_do_the_other_images_tell() -> None:
    worth = [ClassMix.of(held(some)[0], 3, held(some)[1], EVERYTHING).images[0] for some in (0, 30)]
    assert 200 <= worth[1] < worth[0]


def test_the_mix_is_that_of_all_images_and_the_mistakes_are_the_holdouts() -> None:
    predicted, labels = held(6)
    mix = ClassMix.of(predicted, 3, labels, np.array([500, 300, 200]))
    assert mix.proportions == pytest.approx([0.5 + 0.3 * 0.1, 0.3 * 0.9, 0.2])


def test_the_standard_error_is_that_of_a_simulation() -> None:
    """Of holdouts drawn anew from data drawn anew."""
    rng = np.random.default_rng(0)
    chances, wrong = np.array([0.1, 0.3, 0.6]), 0.1
    found, worth = [], []
    for _ in range(2_000):
        data = rng.multinomial(1000, chances)
        labels = np.repeat(np.arange(3), np.rint(data / 5).astype(int))
        predicted = np.where(rng.random(len(labels)) < wrong, (labels + 1) % 3, labels)
        mix = ClassMix.of(predicted, 3, labels, data)
        found.append(mix.proportions)
        worth.append(mix.images)
    mean = np.mean(found, axis=0)
    expected = np.sqrt(mean * (1 - mean) / np.mean(worth, axis=0))
    assert np.std(found, axis=0) == pytest.approx(expected, rel=0.1)


def test_a_class_without_a_held_out_image_is_counted() -> None:
    predicted, labels = held(0)
    mix = ClassMix.of(predicted[20:], 3, labels[20:], EVERYTHING)
    assert mix.images.tolist() == [180, 180, 180]


def test_what_was_never_predicted_is_no_distance_from_nothing() -> None:
    mix = ClassMix.of(np.zeros(10, np.int64), 2, np.zeros(10, np.int64))
    assert mix.distances(np.array([5, 0])).tolist() == [0.0, 0.0]
