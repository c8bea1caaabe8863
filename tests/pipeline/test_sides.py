"""The side of the split on which an image stands."""

from datetime import timedelta

import numpy as np

from models.offline.likeness import Likeness
from pipeline.production import Sample
from pipeline.sides import Place, held_out, places
from tests.monitor.production import DIGITS, NOON, Pixels
from train.dataset import Dataset


def samples_of(pixels: Pixels, *, random: bool = True) -> list[Sample]:
    return [
        Sample(str(row), one, 0, NOON + timedelta(minutes=row), random=random)
        for row, one in enumerate(pixels)
    ]


def sides(
    data: Dataset, samples: list[Sample], trained: Pixels | None = None, share: float = 0.5
) -> list[Place]:
    pixels = np.array([one.pixels for one in samples])
    known = data.pixels[:0] if trained is None else trained
    return places(samples, pixels, known, Likeness.of(data.pixels, DIGITS), share)


def test_about_the_share_is_held_out(digits: tuple[Dataset, Dataset]) -> None:
    held = [held_out(one.digest, 0.3) for one in samples_of(digits[0].pixels[:])]
    assert 0.25 < np.mean(held) < 0.35


def test_only_random_draws_are_held_out(digits: tuple[Dataset, Dataset]) -> None:
    pixels = digits[0].pixels[:200]
    assert set(sides(digits[0], samples_of(pixels, random=False))) == {"train"}
    assert set(sides(digits[0], samples_of(pixels))) == {"train", "holdout"}


def test_an_image_stays_on_its_side_whatever_comes_later(digits: tuple[Dataset, Dataset]) -> None:
    samples = samples_of(digits[0].pixels[:200])
    assert sides(digits[0], samples)[:50] == sides(digits[0], samples[:50])


def test_near_images_never_stand_on_both_sides(digits: tuple[Dataset, Dataset]) -> None:
    pixels = digits[0].pixels[:100]
    again = np.clip(pixels.astype(int) + 2, 0, 255).astype(np.uint8)
    found = sides(digits[0], samples_of(np.concatenate([pixels, again])))
    assert "holdout" in found
    for first, second in zip(found[:100], found[100:], strict=True):
        assert first == second


def test_what_nobody_drew_is_left_out_near_a_held_out_image(
    digits: tuple[Dataset, Dataset],
) -> None:
    pixels = digits[0].pixels[:50]
    volunteered = samples_of(pixels, random=False)
    found = sides(digits[0], samples_of(pixels) + volunteered)
    assert {
        second for first, second in zip(found, found[50:], strict=False) if first == "holdout"
    } == {"neither"}


def test_what_was_trained_on_is_never_held_out(digits: tuple[Dataset, Dataset]) -> None:
    pixels = digits[0].pixels[:50]
    assert set(sides(digits[0], samples_of(pixels), pixels, share=0.99)) == {"train"}
