"""Photos in production: inspected, retrained and judged by their embeddings."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.embedding_cache import EmbeddingCache
from models.pixels import StoredPixels
from models.store import Store
from models.version import Version
from monitor.window.version import MonitoredVersion
from pipeline.data import assemble
from pipeline.recipe import recipe_of
from pipeline.retrain import run
from records.database import Database
from records.labels import NewLabel, add
from records.requests import ask
from records.windows import window
from rollout.gate import gate
from rollout.verdict import GateRule
from tests.extractors import SPEC, photos, saved_extractor
from tests.monitor.production import inspected, keep
from train.dataset import Dataset, split
from train.embedding import embedded
from train.fit import train_parts

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Place:
    store: Store
    database: Database
    champion: Version


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    store = Store(folder / "models")
    extractor = saved_extractor(store)
    pixels, labels = photos(160, seed=1)
    data = Dataset(pixels, np.array(labels), "colors", SPEC)
    data = embedded(data, extractor, cache=EmbeddingCache(extractor, folder / "cache"))
    result = train_parts(
        split(data, 0.5, 0), data, "logistic-features", "colors", drawn=True, extractor=extractor
    )
    store.save(result.candidate, result.images)
    return folder


@pytest.fixture
def place(trained: Path, empty_database: Path, tmp_path: Path) -> Iterator[Place]:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    shutil.copy(empty_database, tmp_path)
    store = Store(tmp_path / "models")
    with Database(f"sqlite:///{tmp_path}/{empty_database.name}") as database:
        yield Place(store, database, store.champion("colors"))


def serve(place: Place, count: int, seed: int) -> None:
    """Labelled requests that were drawn at random."""
    pixels, labels = photos(count, seed)
    names = keep(place.database, place.champion, pixels, at=NOW - timedelta(hours=1), prefix="p")
    rows = window(place.database, "colors", limit=None, with_images=False)
    ask(place.database, [one.id for one in rows if one.request_id in set(names)], "random")
    items = [NewLabel(name, label) for name, label in zip(names, labels, strict=True)]
    add(place.database, items, lambda _model: place.champion.manifest.labels)


def test_a_candidate_is_trained_on_the_same_extractor_and_judged(place: Place) -> None:
    serve(place, 90, seed=3)
    outcome = run(place.database, place.store, "colors", "labels", "enough")
    assert outcome.state == "trained", outcome.reason
    challenger = place.store.get(outcome.tag or "")
    assert challenger.manifest.extractor == place.champion.manifest.extractor
    assert challenger.manifest.recipe == "logistic-features"
    verdict = gate(place.champion, challenger, GateRule(), place.database, place.store)
    assert {one.name for one in verdict.holdouts} == {"the champion's holdout", "production"}
    assert verdict.outcome != "refused"


def test_a_recipe_is_that_for_embeddings(place: Place) -> None:
    found = [recipe_of(place.champion, chosen) for chosen in (None, "svc", "lda")]
    assert found == ["logistic-features", "svc-features", "lda-features"]


def test_many_photos_are_assembled_on_disk_with_the_same_result(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(place, 90, seed=3)
    first = assemble(place.database, place.store, place.champion)
    monkeypatch.setattr("models.pixels.IN_MEMORY", 200 * SPEC.n_features)
    second = assemble(place.database, place.store, place.champion)
    sides = [(one.train, one.holdout) for one in (first.split("x")[0], second.split("x")[0])]
    for one, other in zip(*sides, strict=True):
        assert isinstance(one.pixels, np.ndarray)
        assert isinstance(other.pixels, StoredPixels)
        assert one.sha256 == other.sha256
    assert isinstance(second.images.pixels, StoredPixels)
    assert np.array_equal(first.images.pixels[:], second.images.pixels[:])
    assert first.images.sources == second.images.sources
    assert first.left_out == second.left_out
    assert first.from_records == second.from_records > 0


def test_a_window_is_inspected(place: Place) -> None:
    serve(place, 60, seed=5)
    findings = inspected(place.database, MonitoredVersion.of(place.champion), hour=0)
    assert findings.data.embeddings is None or len(findings.data.embeddings) == len(findings.data)
    assert findings.monitored.spec.n_features == findings.data.decoded.pixels.shape[1]
