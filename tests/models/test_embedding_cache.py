from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.embedding_cache import EmbeddingCache, Remembered
from models.extractor import Extractor
from models.store import Store
from settings import settings
from tests.extractors import DIMENSION, saved_extractor


@pytest.fixture
def extractor(tmp_path: Path) -> Extractor:
    return saved_extractor(Store(tmp_path / "models"))


def digest(number: int) -> bytes:
    return number.to_bytes(16, "big")


def rows(count: int) -> NDArray[np.float32]:
    return np.arange(count * DIMENSION, dtype=np.float32).reshape(count, DIMENSION)


def test_what_was_added_is_found_later(extractor: Extractor, tmp_path: Path) -> None:
    EmbeddingCache(extractor, tmp_path).add([digest(1), digest(2)], rows(2))
    found = EmbeddingCache(extractor, tmp_path)
    known = found.get(digest(2))
    assert known is not None
    np.testing.assert_array_equal(known, rows(2)[1])
    assert found.get(digest(3)) is None


def test_a_record_that_was_cut_off_does_not_hide_others(
    extractor: Extractor, tmp_path: Path
) -> None:
    EmbeddingCache(extractor, tmp_path).add([digest(1), digest(2)], rows(2))
    (path,) = tmp_path.glob("*.cache")
    path.write_bytes(path.read_bytes()[:-5])
    EmbeddingCache(extractor, tmp_path).add([digest(3)], rows(1))
    found = EmbeddingCache(extractor, tmp_path)
    assert found.get(digest(2)) is None
    for number, expected in ((1, rows(2)[0]), (3, rows(1)[0])):
        known = found.get(digest(number))
        assert known is not None
        np.testing.assert_array_equal(known, expected)


def test_a_damaged_record_is_as_if_it_were_not_there(extractor: Extractor, tmp_path: Path) -> None:
    EmbeddingCache(extractor, tmp_path).add([digest(1)], rows(1) + 1)
    (path,) = tmp_path.glob("*.cache")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert EmbeddingCache(extractor, tmp_path).get(digest(1)) is None


def test_it_stays_within_its_limit(extractor: Extractor, tmp_path: Path) -> None:
    size = 16 + 4 + 4 * DIMENSION
    cache = EmbeddingCache(extractor, tmp_path, limit=3 * size)
    for number in range(10):
        cache.add([digest(number)], rows(1))
        total = sum(path.stat().st_size for path in tmp_path.glob("*.cache"))
        assert total <= 3 * size
    assert EmbeddingCache(extractor, tmp_path).get(digest(9)) is not None


def test_a_folder_that_cannot_be_written_costs_nothing(
    extractor: Extractor, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    EmbeddingCache(extractor, tmp_path / "file").add([digest(1)], rows(1))
    assert EmbeddingCache(extractor, tmp_path / "file").get(digest(1)) is None


def test_room_is_made_once_for_what_is_added_in_parts(extractor: Extractor, tmp_path: Path) -> None:
    size = 16 + 4 + 4 * DIMENSION
    EmbeddingCache(extractor, tmp_path, 4 * size).add([digest(1), digest(2)], rows(2))
    cache = EmbeddingCache(extractor, tmp_path, 4 * size)
    assert not cache.reserve(5)
    assert cache.reserve(3)
    for number in (3, 4, 5):
        cache.add([digest(number)], rows(1))
    found = EmbeddingCache(extractor, tmp_path, 4 * size)
    assert [found.get(digest(number)) is not None for number in range(1, 6)] == [
        *(False, False),
        *(True, True, True),
    ]


@pytest.mark.parametrize("limit", [0, 2**20])
def test_what_is_asked_for_again_is_known_with_and_without_a_disk(
    extractor: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setenv("PUPILA_HOME", str(tmp_path))
    monkeypatch.setenv("PUPILA_EMBEDDINGS_BYTES", str(limit))
    settings.cache_clear()
    try:
        known = Remembered(extractor)
        assert known.reserve(2)
        known.add([digest(1), digest(2)], rows(2))
        known.refresh()
        found = known.get(digest(2))
        assert found is not None
        np.testing.assert_array_equal(found, rows(2)[1])
        assert bool(list(tmp_path.glob("embeddings/*.cache"))) == (limit > 0)
        for path in tmp_path.glob("embeddings/*.cache"):
            path.unlink()
        known.refresh()
        assert (known.get(digest(2)) is None) == (limit > 0)
    finally:
        settings.cache_clear()
