"""The file on disk for what would be too much for memory."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from errors import ModelError
from models.spill import Spill, content_of
from settings import settings

FULL = (
    "{home} cannot keep the pixels of photos: File too large; delete something, or let PUPILA_HOME "
    "be a folder on a larger disk."
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PUPILA_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_added_is_read() -> None:
    spill = Spill("The images", 10)
    first, second = spill.add(b"four"), spill.add(np.arange(20, dtype=np.uint8))
    assert content_of(first) == b"four"
    assert content_of(second) == bytes(range(20))
    assert (len(first), len(second)) == (4, 20)


def test_it_has_no_name_while_it_is_used(home: Path) -> None:
    spill = Spill("The images", 100)
    span = spill.add(b"something")
    assert list(home.iterdir()) == []
    assert span.tobytes() == b"something"


def test_what_does_not_fit_is_one_sentence(home: Path) -> None:
    with pytest.raises(ModelError) as error:
        Spill("The 1,000,000 images in photos", 2**50, 1_000_000)
    text = str(error.value)
    begin = f"The 1,000,000 images in photos need 1048576.0 GiB of disk in {home} while they are in"
    assert text.startswith(begin)
    assert "GiB can be used there: delete something, or let PUPILA_HOME be a folder on" in text
    assert text.endswith("of them at most.")
    assert list(home.iterdir()) == []


def test_where_no_image_fits_none_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.spill.LEFT_FREE", 2**60)
    with pytest.raises(ModelError, match=r"on a larger disk\.$"):
        Spill("The 3 images in photos", 30, 3)


def test_the_room_is_set_aside_before_anything_is_added(home: Path) -> None:
    with files_of_at_most(1_000), pytest.raises(ModelError) as error:
        Spill("The images", 1_001)
    assert str(error.value) == FULL.format(home=home)


def test_a_disk_that_becomes_full_is_one_sentence(home: Path) -> None:
    spill = Spill("The images", 10)
    with files_of_at_most(10), pytest.raises(ModelError) as error:
        spill.add(bytes(11))
    assert str(error.value) == FULL.format(home=home)


def test_a_folder_that_cannot_be_made_is_one_sentence(home: Path) -> None:
    home.write_bytes(b"a file")
    with pytest.raises(ModelError, match="cannot keep the pixels of photos: File exists"):
        Spill("The images", 10)
