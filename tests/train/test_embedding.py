from pathlib import Path

import numpy as np
import pytest

from models.embedding_cache import EmbeddingCache
from models.extractor import Extractor
from models.store import Store
from tests.extractors import SPEC, photos, saved_extractor
from train.dataset import Dataset
from train.embedding import embedded


@pytest.fixture(scope="module")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> Extractor:
    return saved_extractor(Store(tmp_path_factory.mktemp("store") / "models"))


@pytest.fixture
def dataset() -> Dataset:
    pixels, labels = photos(50)
    # Two copies of the first image.
    pixels[10] = pixels[20] = pixels[0]
    return Dataset(pixels, np.array(labels), "photos", SPEC)


def test_they_are_what_the_extractor_gives_alone(
    extractor: Extractor, dataset: Dataset, tmp_path: Path
) -> None:
    found = embedded(dataset, extractor, cache=EmbeddingCache(extractor, tmp_path))
    embedder = extractor.open()
    assert found.embeddings is not None
    for row in range(len(dataset)):
        alone = embedder.run(SPEC.features(dataset.pixels[row : row + 1]))[0]
        np.testing.assert_array_equal(found.embeddings[row], alone)
    assert found.features() is found.embeddings


def test_those_that_are_kept_are_not_computed_again(
    extractor: Extractor, dataset: Dataset, tmp_path: Path
) -> None:
    first: list[tuple[int, int]] = []
    second: list[tuple[int, int]] = []
    embedded(dataset, extractor, lambda *at: first.append(at), EmbeddingCache(extractor, tmp_path))
    again = embedded(
        dataset, extractor, lambda *at: second.append(at), EmbeddingCache(extractor, tmp_path)
    )
    assert again.embeddings is not None
    # Two of fifty are copies.
    assert first[0] == (2, 50)
    assert first[-1] == (50, 50)
    assert second == [(50, 50)]
    np.testing.assert_array_equal(again.embeddings[10], again.embeddings[0])


def test_rows_take_their_embeddings_along(
    extractor: Extractor, dataset: Dataset, tmp_path: Path
) -> None:
    found = embedded(dataset, extractor, cache=EmbeddingCache(extractor, tmp_path))
    part = found.take(np.array([3, 1]))
    np.testing.assert_array_equal(part.features(), found.features()[[3, 1]])


def test_an_interrupted_run_goes_on_where_it_was(
    extractor: Extractor, dataset: Dataset, tmp_path: Path
) -> None:
    def interrupted(done: int, _total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedded(dataset, extractor, interrupted, EmbeddingCache(extractor, tmp_path))
    told: list[int] = []
    cache = EmbeddingCache(extractor, tmp_path)
    found = embedded(dataset, extractor, lambda done, _total: told.append(done), cache)
    assert told[0] > 20
    alone = embedded(dataset, extractor, cache=EmbeddingCache(extractor, tmp_path / "other"))
    assert found.embeddings is not None
    assert alone.embeddings is not None
    np.testing.assert_array_equal(found.embeddings, alone.embeddings)


def test_many_are_written_on_the_way(extractor: Extractor, tmp_path: Path) -> None:
    pixels, labels = photos(600)
    sizes = []

    def told(_done: int, _total: int) -> None:
        sizes.append(sum(path.stat().st_size for path in tmp_path.glob("*.cache")))

    data = Dataset(pixels, np.array(labels), "photos", SPEC)
    embedded(data, extractor, told, EmbeddingCache(extractor, tmp_path))
    assert len(set(sizes)) == 3
