"""Which images are almost the same, and which only alike."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from images.decoding import read_pixels
from images.spec import ImageSpec
from models.offline.likeness import Likeness
from tests.drawing import SHAPES, draw_shape
from tests.monitor.production import DIGITS, turned
from train.digits import load_digits

RGB = ImageSpec.parse("rgb-64x64")
PIXELS = load_digits(DIGITS).pixels
LIKENESS = Likeness.of(PIXELS, DIGITS)


def shapes(count: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return np.stack(
        [np.asarray(draw_shape(SHAPES[row % 3], rng)).reshape(-1) for row in range(count)]
    )


def saved_again(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    again = np.empty_like(pixels)
    for row, image in enumerate(pixels):
        buffer = io.BytesIO()
        Image.fromarray(image.reshape(64, 64, 3)).save(buffer, "JPEG", quality=quality)
        again[row] = read_pixels(buffer.getvalue(), RGB)
    return again


def test_distinct_digits_are_no_copies() -> None:
    # 1,797 digits by 43 people, among which two fours have nearly the same pixels.
    found = Likeness.of(PIXELS, DIGITS).earlier(PIXELS)
    assert (found >= 0).sum() <= 2


def test_the_first_of_several_is_named() -> None:
    window = PIXELS[[3, 4, 3, 5, 4, 3]]
    assert Likeness.of(PIXELS, DIGITS).earlier(window).tolist() == [-1, -1, 0, -1, 1, 0]


def test_copies_are_found_across_chunks() -> None:
    window = np.concatenate([PIXELS[:300], PIXELS[:300]])
    assert Likeness.of(PIXELS, DIGITS).earlier(window)[300:].tolist() == list(range(300))


@pytest.mark.parametrize("quality", [90, 50])
def test_an_image_in_another_quality_is_a_copy(quality: int) -> None:
    images = shapes(30)
    window = np.concatenate([images, saved_again(images, quality)])
    assert Likeness.of(images, RGB).earlier(window).tolist() == [-1] * 30 + list(range(30))


def test_images_of_a_still_camera_are_no_copies() -> None:
    # They differ by 2 of 255 on average, and that is all there is to see.
    rng = np.random.default_rng(0)
    scene = rng.integers(60, 200, 64)
    window = (scene + rng.integers(-3, 4, (200, 64))).astype(np.uint8)
    assert (Likeness.of(window[100:], DIGITS).earlier(window[:100]) == -1).all()


def test_one_image_is_no_copy() -> None:
    assert Likeness.of(PIXELS[:1], DIGITS).earlier(PIXELS[:1]).tolist() == [-1]


def test_an_image_with_another_brightness_is_among_them_and_a_turned_one_is_not() -> None:
    pixels = PIXELS[:50]
    again = np.clip(pixels.astype(int) + 2, 0, 255).astype(np.uint8)
    assert LIKENESS.among(again, pixels).all()
    assert not LIKENESS.among(turned(pixels), pixels).any()


def test_nothing_is_near_nothing() -> None:
    none = PIXELS[:0]
    assert LIKENESS.among(none, PIXELS).tolist() == []
    assert LIKENESS.among(PIXELS[:2], none).tolist() == [False, False]
    assert LIKENESS.earlier(none).tolist() == []
