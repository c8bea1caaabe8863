"""Labelled images of a folder: which, how many of each label, and when they are read."""

from pathlib import Path

import numpy as np
import pytest

from errors import ImageError
from images.decoding import Encoded
from models.offline.labelled import LabelledImage, made, read_labelled, sampled
from tests.drawing import png

PICTURE = png(np.arange(64, dtype=np.uint8).reshape(8, 8))


def width(image: Encoded) -> int:
    return image.header.width


def test_a_folder_is_read_without_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("a/1.png", "a/.2.png", ".hidden/3.png", "4.png"):
        (tmp_path / name).write_bytes(PICTURE)
    (tmp_path / "a" / "5.txt").write_bytes(b"no image")
    assert [one.label for one in read_labelled(tmp_path)] == ["a"]


def test_a_sample_has_as_many_of_each_label_or_all() -> None:
    images = [
        LabelledImage(Path(f"{label}{number}"), label)
        for label, count in (("a", 900), ("b", 50), ("c", 3))
        for number in range(count)
    ]
    chosen = sampled(images, 100)
    counts = {label: sum(one.label == label for one in chosen) for label in "abc"}
    assert counts == {"a": 49, "b": 48, "c": 3}
    assert chosen == sampled(images, 100)
    assert [images.index(one) for one in chosen] == sorted(images.index(one) for one in chosen)
    assert sampled(images[:9], 100) == images[:9]


def test_files_are_read_when_they_are_needed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "a" / name).write_bytes(PICTURE)
    images = read_labelled(tmp_path)
    (tmp_path / "a" / "2.png").unlink()
    first, second = made(images, width)
    assert first == 8
    assert isinstance(second, ImageError)
    with pytest.raises(ImageError, match="it cannot be read"):
        images[1].read()


def test_an_image_that_was_read_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(PICTURE)
    [named] = read_labelled(tmp_path)
    encoded = named.read()
    assert LabelledImage(encoded, "a").read() is encoded
