from pathlib import Path

import numpy as np
import pytest

from errors import ArtifactError
from models.extractor import EXTRACTOR_GRAPH
from models.store import Store
from tests.extractors import SPEC, photos, saved_extractor, saved_photos_version


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def test_an_extractor_is_no_version(store: Store) -> None:
    saved_extractor(store)
    assert store.versions() == []


def test_the_same_extractor_twice_is_one(store: Store) -> None:
    assert saved_extractor(store).tag == saved_extractor(store).tag


def test_a_version_with_an_extractor_opens_and_answers(store: Store) -> None:
    version = saved_photos_version(store)
    pixels, labels = photos(30, seed=5)
    outcome = version.artifact.open().run(SPEC.features(pixels))
    assert [version.manifest.labels[index] for index in outcome.indices] == labels


def test_its_head_takes_embeddings(store: Store) -> None:
    version = saved_photos_version(store)
    pixels, _ = photos(30, seed=5)
    features = SPEC.features(pixels)
    extractor = version.artifact.extractor()
    assert extractor is not None
    embeddings = extractor.open().run(features)
    head = version.artifact.head().run(embeddings)
    np.testing.assert_array_equal(head.scores, version.artifact.open().run(features).scores)


def test_an_altered_extractor_is_refused(store: Store) -> None:
    version = saved_photos_version(store)
    extractor = version.artifact.extractor()
    assert extractor is not None
    graph = extractor.path / EXTRACTOR_GRAPH
    graph.chmod(0o644)
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    with pytest.raises(ArtifactError, match="is not the file that was saved"):
        version.artifact.open()
