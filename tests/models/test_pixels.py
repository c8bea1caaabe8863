"""Pixels on disk, which are used as an array of them is."""

from typing import Any

import numpy as np
import pytest

from models.offline.comparison import image_digests
from models.pixels import StoredPixels, chunks, is_large, joined, row_of, stacked, taken
from models.spill import Span, Spill

ROWS = np.random.default_rng(0).integers(0, 256, (7, 5), np.uint8)


@pytest.fixture
def stored() -> StoredPixels:
    found = StoredPixels.empty(Spill("The images", 0), 7, 5)
    for row in (3, 0, 6, 1, 2, 5, 4):
        found[row] = ROWS[row]
    return found


@pytest.mark.parametrize(
    "index",
    [0, -1, np.int64(3), slice(None), slice(2, 5), slice(5, 99), [4, 0, 4], ROWS[:, 0] > 99],
)
def test_what_is_asked_for_is_what_an_array_has(stored: StoredPixels, index: Any) -> None:
    assert stored.shape == ROWS.shape
    assert stored[index].shape == ROWS[index].shape
    assert stored[index].tolist() == ROWS[index].tolist()


def test_rows_one_after_the_other(stored: StoredPixels) -> None:
    assert [row.tolist() for row in stored] == ROWS.tolist()


def test_there_is_no_row_after_the_last(stored: StoredPixels) -> None:
    with pytest.raises(IndexError):
        stored[7]


def test_rows_that_are_taken_stay_on_disk(stored: StoredPixels) -> None:
    some = np.array([6, 2])
    found = taken(stored, some)
    assert isinstance(found, StoredPixels)
    assert found[:].tolist() == ROWS[some].tolist()
    assert taken(ROWS, some)[:].tolist() == ROWS[some].tolist()


def test_parts_of_one_file_are_joined_without_reading_it(stored: StoredPixels) -> None:
    both = joined([taken(stored, np.array([1])), taken(stored, np.array([5, 0]))])
    assert isinstance(both, StoredPixels)
    assert both.spill is stored.spill
    assert both[:].tolist() == ROWS[[1, 5, 0]].tolist()


def test_arrays_are_joined_to_what_is_on_disk(stored: StoredPixels) -> None:
    nothing = np.empty((0, 5), np.uint8)
    assert joined([nothing, ROWS[:2], stored])[:].tolist() == [*ROWS[:2].tolist(), *ROWS.tolist()]


def test_arrays_alone_stay_arrays() -> None:
    assert isinstance(joined([ROWS, ROWS]), np.ndarray)


def test_rows_are_stacked_where_they_are(stored: StoredPixels) -> None:
    spans = [row_of(stored, row) for row in (2, 4)]
    assert all(isinstance(one, Span) for one in spans)
    assert stacked(spans, 5)[:].tolist() == ROWS[[2, 4]].tolist()
    assert stacked([row_of(ROWS, 3)], 5)[:].tolist() == [ROWS[3].tolist()]
    assert stacked([], 5).shape == (0, 5)


def test_all_rows_in_chunks(stored: StoredPixels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.pixels._CHUNK_BYTES", 12)
    assert [len(chunk) for chunk in chunks(stored)] == [2, 2, 2, 1]
    assert image_digests(stored) == image_digests(ROWS)


def test_a_few_photos_are_for_memory_and_thousands_are_not() -> None:
    assert not is_large(3_000, 224 * 224 * 3)
    assert is_large(4_000, 224 * 224 * 3)
