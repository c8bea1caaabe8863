import numpy as np

from models.manifest import Label
from models.offline.likeness import Likeness
from pipeline.pool import Pool
from pipeline.production import Sample
from tests.monitor.production import DIGITS, NOON, Pixels
from train.dataset import Dataset


def test_a_classifier_that_doubts_many_labels_is_not_believed(
    digits: tuple[Dataset, Dataset],
) -> None:
    rng = np.random.default_rng(0)
    rows = enumerate(zip(digits[0].pixels[:300], rng.integers(0, 3, 300), strict=True))
    pool = Pool([Sample(str(row), pixels, int(label), NOON) for row, (pixels, label) in rows])
    reason = pool.without_suspects("logistic", {}, DIGITS, 0)
    assert reason is not None
    assert "too weak" in reason
    assert len(pool.samples) == 300


def burst(first: Pixels, count: int, label: Label) -> list[Sample]:
    """Images that are nearly the same, and not equal."""
    frames = np.clip(first.astype(int) + np.arange(count)[:, None] % 3, 0, 255).astype(np.uint8)
    frames[:, 0] = np.arange(count)
    name = f"{first.sum()} of {label}"
    return [Sample(f"{name}, {row}", pixels, label, NOON) for row, pixels in enumerate(frames)]


def test_the_scenes_of_a_new_class_are_each_on_one_side(digits: tuple[Dataset, Dataset]) -> None:
    pixels = digits[0].pixels
    likeness = Likeness.of(pixels, DIGITS)
    samples = [one for row in range(12) for one in burst(pixels[row], 8, 10)]
    pool = Pool(list(samples))
    held = pool.take_new_classes(tuple(range(10)), likeness, 0.3)
    assert pool.left_out == []
    assert len(held) + len(pool.samples) == len(samples)
    sides = (held, pool.samples)
    held_scenes, trained = ({one.name.split(",")[0] for one in some} for some in sides)
    assert held_scenes
    assert trained
    assert not held_scenes & trained


def test_a_new_class_that_is_one_scene_is_left_out(digits: tuple[Dataset, Dataset]) -> None:
    pixels = digits[0].pixels
    other = [Sample(str(row), pixels[row], 0, NOON) for row in range(1, 20)]
    pool = Pool([*other, *burst(pixels[0], 12, 10)])
    assert pool.take_new_classes(tuple(range(10)), Likeness.of(pixels, DIGITS), 0.3) == []
    assert pool.samples == other
    assert {(one.reason, one.detail) for one in pool.left_out} == {
        ("new class", "all nearly alike")
    }


def test_of_two_scenes_one_is_held_out_whatever_their_hashes(
    digits: tuple[Dataset, Dataset],
) -> None:
    pixels = digits[0].pixels
    pool = Pool([*burst(pixels[0], 7, 10), *burst(pixels[1], 6, 10)])
    held = pool.take_new_classes(tuple(range(10)), Likeness.of(pixels, DIGITS), 0.999)
    assert (len(held), len(pool.samples)) == (6, 7)
