"""Many photos for an extractor: their pixels and files on disk."""

from pathlib import Path

import numpy as np
import pytest

from errors import ModelError
from images.spec import ImageSpec
from models.pixels import StoredPixels
from models.spill import Span, content_of
from settings import settings
from tests.drawing import draw_folder, flat, png
from train.dataset import Dataset, split
from train.loading import load
from train.reading.sources import Reading, read_sources
from train.reference import images_of

SPEC = ImageSpec.parse("rgb-32x32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files larger than their pixels, one smaller, one twice, and one that is none."""
    draw_folder(tmp_path / "shapes", images=8)
    files = sorted((tmp_path / "shapes").rglob("*.png"))
    files[1].write_bytes(files[0].read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    files[2].write_bytes(png(noise))
    files[3].write_bytes(b"no image")
    files[4].write_bytes(flat(90, side=32))
    return tmp_path / "shapes"


def loaded(folder: Path) -> Dataset:
    return load(read_sources([folder], Reading()), SPEC, of_extractor=True)


def contents(dataset: Dataset) -> list[bytes | None]:
    return [None if one is None else content_of(one) for one in dataset.files or ()]


@pytest.fixture
def both(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Dataset, Dataset]:
    """In memory, and on disk."""
    first = loaded(folder)
    monkeypatch.setattr("models.pixels.IN_MEMORY", 0)
    return first, loaded(folder)


def test_they_are_on_disk_under_no_name(both: tuple[Dataset, Dataset]) -> None:
    dataset = both[1]
    assert isinstance(dataset.pixels, StoredPixels)
    assert {type(one) for one in dataset.files or ()} == {Span, type(None)}
    assert not list(settings().home.glob("tmp*"))


def test_all_is_as_it_is_in_memory(both: tuple[Dataset, Dataset]) -> None:
    first, second = both
    assert np.array_equal(first.pixels[:], second.pixels[:])
    assert first.sha256 == second.sha256
    assert first.skipped == second.skipped
    assert len(second.skipped) == 1
    assert first.copies is not None
    assert second.copies is not None
    assert first.copies.tolist() == second.copies.tolist()
    assert contents(first) == contents(second)
    assert None in contents(second)


def test_both_sides_of_a_split_stay_on_disk(both: tuple[Dataset, Dataset]) -> None:
    first, second = (split(one, 0.3, 0) for one in both)
    assert isinstance(second.train.pixels, StoredPixels)
    assert isinstance(second.holdout.pixels, StoredPixels)
    assert first.train.sha256 == second.train.sha256
    assert first.holdout.sha256 == second.holdout.sha256
    kept = images_of(second)
    assert isinstance(kept.pixels, StoredPixels)
    assert np.array_equal(kept.pixels[:], images_of(first).pixels[:])


def test_what_does_not_fit_is_said_before_a_file_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pixels.IN_MEMORY", 0)
    monkeypatch.setattr("models.spill.LEFT_FREE", 2**60)
    monkeypatch.setattr("train.loading.MAX_PIXEL_BYTES", 1)
    done: list[int] = []
    with pytest.raises(ModelError, match=r"images in shapes need .* of disk in"):
        load(
            read_sources([folder], Reading()),
            SPEC,
            lambda count, _total: done.append(count),
            of_extractor=True,
        )
    assert done == []


def test_what_fits_into_memory_is_there_if_it_does_not_fit_on_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pixels.IN_MEMORY", 0)
    monkeypatch.setattr("models.spill.LEFT_FREE", 2**60)
    assert isinstance(loaded(folder).pixels, np.ndarray)


def test_the_files_that_are_kept_need_room_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pixels.IN_MEMORY", 0)
    sizes: list[int] = []

    def told(_descriptor: int, size: int) -> None:
        sizes.append(size)

    monkeypatch.setattr("models.spill._set_aside", told)
    dataset = loaded(folder)
    files = [one.stat().st_size for one in folder.rglob("*.png")]
    assert sizes == [len(files) * SPEC.n_features + sum(x for x in files if x < SPEC.n_features)]
    assert sum(len(one) for one in contents(dataset) if one) <= sum(files)


def test_raw_pixels_stay_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.pixels.IN_MEMORY", 0)
    dataset = load(read_sources([folder], Reading()), SPEC)
    assert isinstance(dataset.pixels, np.ndarray)
