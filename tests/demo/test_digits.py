"""The images of the demo."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.digits import Digits


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits.split(3)


def pixels(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.asarray(Image.open(io.BytesIO(png)), np.float64)


def test_no_digit_is_in_two_parts(digits: Digits) -> None:
    rows = np.concatenate(digits.parts)
    assert sorted(rows.tolist()) == list(range(len(digits.labels)))


def test_two_photographs_of_a_digit_differ_and_a_seed_repeats_them(digits: Digits) -> None:
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    first = digits.photograph(5, one)
    assert first != digits.photograph(5, one)
    assert first == digits.photograph(5, other)


def test_a_knocked_camera_has_less_contrast(digits: Digits) -> None:
    before = pixels(digits.photograph(5, np.random.default_rng(1)))
    after = pixels(digits.photograph(5, np.random.default_rng(1), 1.0))
    assert after.std() < 0.85 * before.std()


def test_a_folder_has_the_first_part_and_swapped_labels_are_swapped(
    digits: Digits, tmp_path: Path
) -> None:
    digits = replace(digits, parts=(digits.parts[0][:60], *digits.parts[1:]))
    digits.write(tmp_path / "right", 0)
    digits.write(tmp_path / "wrong", 0, ("3", "8"))
    right = {path.stem: path.parent.name for path in (tmp_path / "right").rglob("*.png")}
    wrong = {path.stem: path.parent.name for path in (tmp_path / "wrong").rglob("*.png")}
    assert right == {str(row): digits.labels[row] for row in digits.parts[0]}
    swapped = {"3": "8", "8": "3"}
    assert swapped.keys() <= set(right.values())
    assert wrong == {row: swapped.get(label, label) for row, label in right.items()}
