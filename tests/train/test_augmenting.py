from pathlib import Path

import numpy as np
import pytest

from models.embedding_cache import EmbeddingCache
from models.store import Store
from tests.extractors import SPEC, photos, saved_extractor
from train.augmenting import COPIES, variants_of, varied, with_variants
from train.dataset import Dataset


@pytest.fixture
def train() -> Dataset:
    pixels, labels = photos(12)
    embeddings = np.zeros((12, 12), np.float32)
    return Dataset(pixels, np.array(labels), "photos", SPEC, embeddings=embeddings)


def test_the_first_copy_is_a_mirror_image() -> None:
    pixels, _ = photos(1)
    copies = varied(pixels[0], SPEC, np.random.default_rng(0))
    assert copies.shape == (COPIES, SPEC.n_features)
    mirrored = pixels[0].reshape(16, 16, 3)[:, ::-1].reshape(-1)
    np.testing.assert_array_equal(copies[0], mirrored)
    assert len({copy.tobytes() for copy in copies}) == COPIES


def test_the_same_seed_gives_the_same(train: Dataset, tmp_path: Path) -> None:
    extractor = saved_extractor(Store(tmp_path / "models"))
    found = [
        variants_of(train, extractor, 3, cache=EmbeddingCache(extractor, tmp_path / name))
        for name in ("first", "second")
    ]
    np.testing.assert_array_equal(found[0].embeddings, found[1].embeddings)
    assert found[0].rows.tolist() == sorted([*range(12)] * COPIES)


def test_a_photo_and_its_copies_are_one_group(train: Dataset, tmp_path: Path) -> None:
    extractor = saved_extractor(Store(tmp_path / "models"))
    cache = EmbeddingCache(extractor, tmp_path / "cache")
    fitted = with_variants(train, variants_of(train, extractor, 0, cache=cache))
    assert len(fitted) == 12 * (COPIES + 1)
    assert fitted.groups is not None
    for group in np.unique(fitted.groups):
        assert len(set(fitted.targets[fitted.groups == group])) == 1
        assert (fitted.groups == group).sum() == COPIES + 1
