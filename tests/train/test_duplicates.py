from pathlib import Path

import numpy as np
import pytest

from errors import DatasetError
from images.spec import ImageSpec
from tests.train.reading.drafts import fill, image
from train.dataset import Dataset, split
from train.duplicates import Duplicates, copies_of
from train.loading import load
from train.reading.sources import Reading, read_sources

GRAY = ImageSpec.parse("gray-8x8")


def dataset(folder: Path, **how: str) -> Dataset:
    return load(read_sources([folder], Reading(groups=how.get("groups"))), GRAY)


def test_images_that_all_differ_have_no_copies(tmp_path: Path) -> None:
    found = dataset(fill(tmp_path, "cat", "dog"))
    assert found.copies is None
    assert Duplicates.of(found).notes(found) == []


def test_rows_that_end_with_zeros_are_told_apart() -> None:
    pixels = np.zeros((3, 4), np.uint8)
    pixels[1, 0] = 1
    copies = copies_of(pixels)
    assert copies is not None
    assert copies[0] == copies[2] != copies[1]


def test_an_image_in_two_classes_is_named_with_the_way_out(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", images=5)
    for place in range(4):
        (tmp_path / "dog" / f"same{place}.png").write_bytes(
            (tmp_path / "cat" / f"{place}.png").read_bytes()
        )
    found = dataset(tmp_path)
    duplicates = Duplicates.of(found)
    assert len(duplicates.across) == 4
    with pytest.raises(DatasetError, match="--allow-duplicates") as error:
        duplicates.check(found)
    assert f"{tmp_path}/cat/0.png (cat) and {tmp_path}/dog/same0.png (dog)" in str(error.value)
    assert "and 1 more" in str(error.value)
    assert duplicates.notes(found)[0].startswith("4 images in two classes: ")


@pytest.mark.parametrize("seed", range(5))
def test_copies_are_never_on_both_sides(tmp_path: Path, seed: int) -> None:
    fill(tmp_path, "cat", "dog", images=10)
    for place in range(5):
        (tmp_path / "cat" / f"copy{place}.png").write_bytes(image(place + 1))
    found = dataset(tmp_path)
    assert Duplicates.of(found).within == 5
    parts = split(found, 0.4, seed)
    assert not {bytes(row) for row in parts.train.pixels} & {
        bytes(row) for row in parts.holdout.pixels
    }
    assert len(parts.train) + len(parts.holdout) == 25


def test_copies_join_their_groups(tmp_path: Path) -> None:
    fill(tmp_path, "cat", "dog", images=10)
    (tmp_path / "cat" / "0.png").write_bytes(image(2))
    found = dataset(tmp_path, groups=r"\d")
    for seed in range(5):
        parts = split(found, 0.3, seed)
        assert parts.train.groups is not None
        assert parts.holdout.groups is not None
        held = set(parts.holdout.groups)
        assert not held & set(parts.train.groups)
        assert ("0" in held) == ("1" in held)


def test_what_is_trained_on_leaves_the_part_that_is_held_out(tmp_path: Path) -> None:
    fill(tmp_path, "train/cat", "train/dog", "test/cat", "test/dog", images=3)
    leak = (tmp_path / "train" / "cat" / "0.png").read_bytes()
    (tmp_path / "test" / "cat" / "leak.png").write_bytes(leak)
    found = dataset(tmp_path)
    parts = split(found, 0.2, seed=0)
    assert (len(parts.train), len(parts.holdout)) == (6, 6)
    (note,) = Duplicates.of(found).notes(found)[1:]
    assert note == "1 image of the holdout left out, as it is trained on too."


def test_classes_that_are_only_held_out_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "train/cat", "train/dog", "train/owl", "test/cat", "test/dog", "test/fox")
    found = dataset(tmp_path)
    assert found.labels == ("cat", "dog", "owl")
    assert found.notes[1:] == (
        "Left out, as only held out and not trained on: fox.",
        "Of these classes no image is held out: owl.",
    )
    assert split(found, 0.2, seed=0).holdout.labels == ("cat", "dog")
