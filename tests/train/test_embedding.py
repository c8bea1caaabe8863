import numpy as np
import pytest

from models.embedding_cache import EmbeddingCache
from models.store import Store
from tests.extractors import SPEC, photos, saved_extractor
from train.dataset import Dataset
from train.embedding import embedded


@pytest.fixture(scope="module")
def extractor(tmp_path_factory):
    return saved_extractor(Store(tmp_path_factory.mktemp("store") / "models"))


@pytest.fixture
def dataset():
    pixels, labels = photos(50)
    # Two copies of the first image.
    pixels[10] = pixels[20] = pixels[0]
    return Dataset(pixels, np.array(labels), "photos", SPEC)


def test_they_are_what_the_extractor_gives_alone(extractor, dataset, tmp_path):
    found = embedded(dataset, extractor, cache=EmbeddingCache(extractor, tmp_path))
    embedder = extractor.open()
    for row in range(len(dataset)):
        alone = embedder.run(SPEC.features(dataset.pixels[row : row + 1]))[0]
        np.testing.assert_array_equal(found.embeddings[row], alone)
    assert found.features() is found.embeddings


def test_those_that_are_kept_are_not_computed_again(extractor, dataset, tmp_path):
    first, second = [], []
    embedded(dataset, extractor, lambda *at: first.append(at), EmbeddingCache(extractor, tmp_path))
    again = embedded(
        dataset, extractor, lambda *at: second.append(at), EmbeddingCache(extractor, tmp_path)
    )
    # Two of fifty are copies.
    assert first[0] == (2, 50)
    assert first[-1] == (50, 50)
    assert second == [(50, 50)]
    np.testing.assert_array_equal(again.embeddings[10], again.embeddings[0])


def test_rows_take_their_embeddings_along(extractor, dataset, tmp_path):
    found = embedded(dataset, extractor, cache=EmbeddingCache(extractor, tmp_path))
    part = found.take(np.array([3, 1]))
    np.testing.assert_array_equal(part.features(), found.embeddings[[3, 1]])
