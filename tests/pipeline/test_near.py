"""Images that are nearly the same."""

import io

import numpy as np
from PIL import Image

from images.spec import ImageSpec
from pipeline.near import Likeness
from tests.drawing import draw_shape
from tests.monitor.production import DIGITS, turned
from train.dataset import Dataset

GRAY = ImageSpec.parse("gray-64x64")


def test_an_image_saved_again_is_nearly_the_same(digits: tuple[Dataset, Dataset]) -> None:
    pixels = digits[0].pixels[:50]
    again = np.clip(pixels.astype(int) + 2, 0, 255).astype(np.uint8)
    likeness = Likeness.of(digits[0].pixels, DIGITS)
    assert likeness.among(again, pixels).all()
    assert not likeness.among(turned(pixels), pixels).any()


def test_a_photo_in_another_quality_is_nearly_the_same() -> None:
    rng = np.random.default_rng(0)
    shapes = ["circle", "square", "triangle"] * 4
    images = [draw_shape(shape, rng, side=64).convert("L") for shape in shapes]
    pixels = np.array([np.asarray(one).reshape(-1) for one in images])
    again = []
    for one in images:
        buffer = io.BytesIO()
        one.save(buffer, "JPEG", quality=50)
        again.append(np.asarray(Image.open(buffer)).reshape(-1))
    likeness = Likeness.of(pixels, GRAY)
    assert likeness.among(np.array(again), pixels).all()
    assert not likeness.among(pixels[:6], pixels[6:]).any()


def test_the_first_of_several_is_the_earlier_one(digits: tuple[Dataset, Dataset]) -> None:
    pixels = digits[0].pixels[[0, 1, 0, 2, 1]]
    likeness = Likeness.of(digits[0].pixels, DIGITS)
    assert likeness.earlier(pixels).tolist() == [-1, -1, 0, -1, 1]


def test_nothing_is_near_nothing(digits: tuple[Dataset, Dataset]) -> None:
    likeness = Likeness.of(digits[0].pixels, DIGITS)
    none = digits[0].pixels[:0]
    assert likeness.among(none, digits[0].pixels).tolist() == []
    assert likeness.among(digits[0].pixels[:2], none).tolist() == [False, False]
    assert likeness.earlier(none).tolist() == []
