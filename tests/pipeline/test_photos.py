"""Photos in production: inspected, retrained and judged by their embeddings."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.embedding_cache import EmbeddingCache
from models.pixels import StoredPixels
from models.store import Store
from models.version import Version
from monitor.window.version import MonitoredVersion
from pipeline.data import assemble
from pipeline.recipe import recipe_of
from pipeline.retrain import run
from pipeline.table import summary
from records.database import Database
from records.labels import NewLabel, add
from records.requests import ask
from records.windows import window
from rollout.gate import gate
from rollout.holdouts import production
from rollout.verdict import GateRule
from tests.extractors import SPEC, photos, saved_extractor, scene_graph, scenes
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


def save(folder: Path, data: Dataset, holdout: float, **changes: Any) -> None:
    """A version of the data, in a store of the folder."""
    store = Store(folder / "models")
    extractor = saved_extractor(store, **changes)
    data = embedded(data, extractor, cache=EmbeddingCache(extractor, folder / "cache"))
    parts = split(data, holdout, 0)
    result = train_parts(
        parts, data, "logistic-features", "colors", drawn=True, extractor=extractor
    )
    store.save(result.candidate, result.images)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    pixels, labels = photos(160, seed=1)
    save(folder, Dataset(pixels, np.array(labels), "colors", SPEC), 0.5)
    return folder


@contextlib.contextmanager
def placed(folder: Path, empty_database: Path, here: Path) -> Iterator[Place]:
    """A copy of the store, and a database."""
    shutil.copytree(folder, here, dirs_exist_ok=True)
    shutil.copy(empty_database, here)
    store = Store(here / "models")
    with Database(f"sqlite:///{here}/{empty_database.name}") as database:
        yield Place(store, database, store.champion("colors"))


@pytest.fixture
def place(trained: Path, empty_database: Path, tmp_path: Path) -> Iterator[Place]:
    with placed(trained, empty_database, tmp_path) as found:
        yield found


def serve(place: Place, count: int, seed: int) -> None:
    sent(place, *photos(count, seed))


def sent(place: Place, pixels: NDArray[np.uint8], labels: Sequence[str]) -> None:
    """Labelled requests that were drawn at random."""
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


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version of 60 scenes in two photos each, which are groups of the data."""
    folder = tmp_path_factory.mktemp("filmed")
    labels = np.array(["day", "night"])[np.arange(120) // 2 % 2]
    groups = np.array([f"film {row // 2}" for row in range(120)])
    data = Dataset(scenes(60), labels, "colors", SPEC, groups=groups)
    save(folder, data, 0.3, graph=scene_graph(), dimension=48)
    return folder


@pytest.fixture
def film(filmed: Path, empty_database: Path, tmp_path: Path) -> Iterator[Place]:
    """With forty bursts in production, of which some are of scenes that were trained on."""
    with placed(filmed, empty_database, tmp_path) as place:
        # One more frame of scenes that are known, and those that are not.
        first = scenes(60)[:40:2].reshape(20, SPEC.height, SPEC.width, 3)
        known = np.roll(first, -1, axis=2).reshape(20, -1)
        sent(place, np.concatenate([known, scenes(40, seed=1)]), ["day", "night"] * 50)
        yield place


def scene_of(pixels: NDArray[np.uint8]) -> list[int]:
    """The number of the burst of production that each is of; -1 for others."""
    first = scenes(40, seed=1)
    rows = {image.tobytes(): row // 2 for row, image in enumerate(first)}
    return [rows.get(image.tobytes(), -1) for image in pixels]


def test_no_burst_of_production_is_on_both_sides(film: Place) -> None:
    data = assemble(film.database, film.store, film.champion)
    trained = set(scene_of(data.train.pixels[:])) - {-1}
    held = set(scene_of(data.production.pixels[:])) - {-1}
    assert trained
    assert held
    assert not trained & held
    # Nothing of a scene that the champion knows is held out, whatever frame it is.
    assert -1 not in scene_of(data.production.pixels[:])


def test_a_class_that_is_one_scene_does_not_end_retraining(
    empty_database: Path, tmp_path: Path
) -> None:
    # A class of thirty, so that the scenes of the others tell how near is near.
    random = np.random.default_rng(0)
    parts = random.integers(40, 216, (4, 4, 3)) + random.integers(-25, 26, (20, 4, 4, 3))
    scene = parts.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8).reshape(20, -1)
    labels = np.repeat([f"class {number}" for number in range(30)], 20)
    pixels = np.concatenate([scenes(290, seed=2), scene])
    # As a training has them: a scene that is all of its class is split photo by photo.
    groups = np.array([str(row // 2 if row < 580 else row) for row in range(600)])
    data = Dataset(pixels, labels, "colors", SPEC, groups=groups)
    save(tmp_path / "filmed", data, 0.2, graph=scene_graph(), dimension=48)
    with placed(tmp_path / "filmed", empty_database, tmp_path / "here") as place:
        sent(place, scenes(10, seed=3), ["class 0"] * 20)
        found = assemble(place.database, place.store, place.champion)
    assert found.train.counts["class 29"] == 16
    assert found.counts["near a held-out image"] == 0


def test_the_groups_of_the_data_are_kept_through_a_retraining(film: Place) -> None:
    parts, _ = assemble(film.database, film.store, film.champion).split("x")
    for part in (parts.train, parts.holdout):
        assert part.groups is not None
        films, sizes = np.unique(part.groups, return_counts=True)
        assert {int(size) for name, size in zip(films, sizes, strict=True) if "film" in name} == {2}
        assert {int(size) for name, size in zip(films, sizes, strict=True) if "own" in name} <= {1}
    outcome = run(film.database, film.store, "colors", "labels", "enough")
    assert outcome.state == "trained", outcome.reason
    challenger = film.store.get(outcome.tag or "")
    kept = film.store.training_images.read("colors", challenger.version)
    assert kept is not None
    assert kept.groups is not None
    own = [group for group in kept.groups if group]
    assert len(own) == 120
    assert len(set(own)) == 60


def test_a_new_class_of_one_burst_is_not_taken_in(film: Place) -> None:
    """What is held out of it would leave nothing to learn it from."""
    one = scenes(1, seed=9)[0].astype(int)
    burst = np.stack([np.clip(one + step, 0, 255).astype(np.uint8) for step in range(6)])
    keep(film.database, film.champion, burst, at=NOW - timedelta(minutes=30), prefix="dawn")
    items = [NewLabel(f"dawn-{row}", "dawn") for row in range(6)]
    add(film.database, items, lambda _model: film.champion.manifest.labels)
    data = assemble(film.database, film.store, film.champion, accept_new_classes=True)
    assert "dawn" not in {*data.train.labels, *data.frozen.labels}
    out = [(one.reason, one.detail) for one in data.left_out if one.label == "dawn"]
    assert out == [("new class", "all nearly alike")] * 6
    assert "classes: dawn (6), left out all the same." in " ".join(summary(data))


def test_the_gate_leaves_out_the_next_frame_of_what_was_trained_on(film: Place) -> None:
    held = production(film.database, film.champion, film.champion, film.store)
    own = film.store.training_images.read("colors", film.champion.version)
    assert own is not None
    assert own.groups is not None
    apart = {group for group, side in zip(own.groups, own.sides, strict=True) if side == "holdout"}
    unseen = len(apart & {f"film {number}" for number in range(20)})
    assert 0 < unseen < 20
    assert held.champion.dtype == np.float32
    assert held.champion.shape == (80 + unseen, 48)


def test_the_gate_counts_a_burst_as_one(film: Place) -> None:
    verdict = gate(film.champion, film.champion, GateRule(), film.database, film.store)
    frozen, production = verdict.holdouts
    assert frozen.scenes == frozen.images // 2
    # And single frames, of scenes that the champion was judged by.
    assert production.scenes == 40 + production.images - 80
    assert "no holdout has enough scenes" in verdict.because


def test_a_window_is_inspected(place: Place) -> None:
    serve(place, 60, seed=5)
    findings = inspected(place.database, MonitoredVersion.of(place.champion), hour=0)
    assert findings.data.embeddings is None or len(findings.data.embeddings) == len(findings.data)
    assert findings.monitored.spec.n_features == findings.data.decoded.pixels.shape[1]
