"""Which images are called negatives, and which are only dark, pale, blurred or in other colors."""

from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sklearn.datasets import load_digits

from images.spec import ImageSpec
from monitor.quality.negatives import is_negative
from tests.drawing import SHAPES, draw_shape

GRAY: Final = ImageSpec.parse("gray-8x8")
COLOR: Final = ImageSpec.parse("rgb-32x32")
DIGITS: Final = np.rint(load_digits().data[:600] / 16 * 255).astype(np.uint8)


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [draw_shape(SHAPES[row % len(SHAPES)], rng) for row in range(count)]


def pixels(shown: list[Image.Image]) -> NDArray[np.uint8]:
    small = [one.resize((32, 32), Image.Resampling.BOX) for one in shown]
    return np.stack([np.asarray(one).reshape(-1) for one in small])


SHOWN: Final = pictures(500)
SHAPES_KNOWN, SHAPES_ASKED = pixels(SHOWN[:300]), pixels(SHOWN[300:])


def share(images: NDArray[np.uint8], known: NDArray[np.uint8], spec: ImageSpec) -> float:
    return float(is_negative(images, known, spec).mean())


def test_negatives_of_digits_and_of_drawings_are_found() -> None:
    assert share(255 - DIGITS[400:], DIGITS[:400], GRAY) > 0.9
    assert share(255 - SHAPES_ASKED, SHAPES_KNOWN, COLOR) > 0.5


def test_dark_negatives_are_found_too() -> None:
    dark = (0.6 * (255.0 - SHAPES_ASKED)).astype(np.uint8)
    assert share(dark, SHAPES_KNOWN, COLOR) > 0.5


@pytest.mark.parametrize(("factor", "offset"), [(1, 0), (0.3, 0), (0.1, 0), (0.3, 170), (0.3, 90)])
def test_dark_and_pale_images_are_none(factor: float, offset: float) -> None:
    for images, known, spec in (
        (DIGITS[400:], DIGITS[:400], GRAY),
        (SHAPES_ASKED, SHAPES_KNOWN, COLOR),
    ):
        changed = np.clip(factor * images.astype(float) + offset, 0, 255).astype(np.uint8)
        assert share(changed, known, spec) < 0.04


def test_blurred_and_noisy_images_are_none() -> None:
    blurred = pixels([one.filter(ImageFilter.GaussianBlur(3)) for one in SHOWN[300:]])
    noise = np.random.default_rng(1).normal(0, 30, SHAPES_ASKED.shape)
    noisy = np.clip(SHAPES_ASKED + noise, 0, 255).astype(np.uint8)
    assert share(blurred, SHAPES_KNOWN, COLOR) < 0.04
    assert share(noisy, SHAPES_KNOWN, COLOR) < 0.04


def test_red_and_blue_swapped_are_no_negative() -> None:
    swapped = SHAPES_ASKED.reshape(-1, 3)[:, ::-1].reshape(SHAPES_ASKED.shape)
    assert share(swapped, SHAPES_KNOWN, COLOR) < 0.04


def test_a_single_tone_is_none() -> None:
    flat = np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[:, None], 64, axis=1)
    assert not is_negative(flat, DIGITS[:400], GRAY).any()


def test_no_images_are_none() -> None:
    assert len(is_negative(DIGITS[:0], DIGITS, GRAY)) == 0
