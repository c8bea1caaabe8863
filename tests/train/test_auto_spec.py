from pathlib import Path

import numpy as np
import pytest

from images.spec import ImageSpec
from tests.drawing import flat, png, two_classes
from train.auto_spec import for_photos
from train.folder import load_folder


@pytest.mark.parametrize(
    ("side", "mode", "expected"),
    [
        (28, "L", "gray-28x28:reduced"),
        (28, "RGB", "rgb-28x28:reduced"),
        (4, "L", "gray-8x8:reduced"),
        (300, "RGB", "rgb-64x64:reduced"),
    ],
)
def test_auto_spec(tmp_path: Path, side: int, mode: str, expected: str) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(2):
            (tmp_path / label / f"{number}.png").write_bytes(flat(200, side, mode))
    assert load_folder(tmp_path).spec.name == expected


def test_a_spec_that_says_how_to_decode_stays() -> None:
    for text in ("rgb-8x8:full", "digits"):
        assert for_photos(ImageSpec.parse(text)) == ImageSpec.parse(text)
    assert for_photos(ImageSpec.parse("rgb-8x8:crop")).name == "rgb-8x8:crop:reduced"


def test_auto_spec_takes_gray_saved_as_color_for_gray(tmp_path: Path) -> None:
    gray = np.random.default_rng(0).integers(0, 256, size=(20, 20, 1)).astype(np.uint8)
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(2):
            (tmp_path / label / f"{number}.png").write_bytes(png(np.repeat(gray, 3, axis=2)))
    assert load_folder(tmp_path).spec.name == "gray-20x20:reduced"


def test_one_image_in_color_makes_the_auto_spec_rgb(tmp_path: Path) -> None:
    two_classes(tmp_path)
    (tmp_path / "cat" / "red.png").write_bytes(flat(200, 8, "RGB"))
    assert load_folder(tmp_path).spec.name == "rgb-8x8:reduced"
