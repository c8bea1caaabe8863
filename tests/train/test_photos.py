"""``python -m train --features``: from a folder and a network to a version all else can use."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image

from images.spec import ImageSpec
from models.embedding_cache import EmbeddingCache
from models.extractors import Extractors
from models.honest import Honest
from models.manifest import Manifest
from models.offline.comparison import compare
from models.offline.embeddings import embeddings_of
from models.reference import Reference
from models.small import small_copies
from models.store import Store
from models.version import Version
from monitor.drift.detector import DriftDetector, DriftSettings
from monitor.window.version import MonitoredVersion
from rollout import holdouts
from settings import settings
from tests.extractors import (
    COLORS,
    DIMENSION,
    SPEC,
    photos,
    saved_extractor,
    saved_photos_version,
    tiny_graph,
)
from train import photos as training_photos
from train.__main__ import main
from train.dataset import Split
from train.learning import LearningCurve, learning_curve
from train.quantizing import in_int8


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 noisy images in each of three colors."""
    folder = tmp_path_factory.mktemp("data") / "colors"
    pixels, labels = photos(120, seed=1)
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.reshape(16, 16, 3)).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def trained(data: Path) -> Result:
    (data.parent / "photo-net.onnx").write_bytes(tiny_graph())
    return run(
        *("--data", str(data), "--features", str(data.parent / "photo-net.onnx")),
        *("--name", "photo-colors", "--holdout", "0.5"),
    )


@pytest.fixture(scope="module")
def version(trained: Result) -> Version:
    assert trained.exit_code == 0, trained.output
    return Store().versions("photo-colors")[-1]


@pytest.fixture(scope="module")
def manifest(version: Version) -> Manifest:
    return version.manifest


def test_it_says_which_network_it_uses(trained: Result) -> None:
    assert "Features: photo-net:" in trained.stderr
    assert "Looking at the images ..." in trained.stderr


def test_the_manifest_names_the_extractor(manifest: Manifest) -> None:
    assert manifest.extractor is not None
    assert (manifest.extractor.name, manifest.extractor.dimension) == ("photo-net", DIMENSION)
    assert manifest.recipe == "logistic-features"
    assert manifest.without_halves is None


def test_it_answers_right(version: Version) -> None:
    pixels, labels = photos(60, seed=2)
    spec = version.manifest.image_spec
    outcome = version.artifact.open().run(spec.features(pixels))
    found = [version.manifest.labels[index] for index in outcome.indices]
    assert np.mean([one == label for one, label in zip(found, labels, strict=True)]) > 0.95


def test_the_reference_has_small_copies_and_embeddings(version: Version) -> None:
    reference = Reference.load(version.artifact)
    assert reference is not None
    assert reference.embeddings is not None
    assert reference.digests is not None
    assert reference.neighbours is None
    assert len(reference.embeddings) == len(reference.digests) == len(reference) > 50
    assert reference.halves is not None


def test_how_often_a_class_occurs_is_known_from_all_photos(
    version: Version, manifest: Manifest
) -> None:
    reference = Reference.load(version.artifact)
    assert reference is not None
    assert reference.drawn_from is not None
    assert manifest.data is not None
    counts = [manifest.data.classes[str(label)] for label in manifest.labels]
    assert reference.drawn_from.tolist() == counts
    assert sum(counts) == 120


def test_a_shift_of_the_labels_is_seen(version: Version) -> None:
    """By the proportions of all 120 photos, of which 60 were held out."""
    monitored = MonitoredVersion.of(version)
    assert monitored.reference is not None
    detector = DriftDetector(DriftSettings(min_images=10)).fit(
        monitored.reference, monitored.spec, monitored.labels, monitored.familiarity
    )
    extractor, spec = version.artifact.extractor(), version.manifest.image_spec
    assert extractor is not None
    pixels, labels = photos(240, seed=12)
    embeddings = extractor.open().run(spec.features(pixels))
    outputs = monitored.answers(embeddings, monitored.runtime)

    def is_seen(rows: NDArray[np.int64]) -> bool:
        report = detector.compare(
            small_copies(pixels[rows], spec), outputs[rows], embeddings=embeddings[rows]
        )
        (view,) = [view for view in report.views if view.name == "classes"]
        return view.large and view.adjusted <= 0.01

    of_one = np.flatnonzero(np.array(labels) == labels[0])
    assert is_seen(of_one)
    assert not is_seen(np.arange(len(of_one)))


def test_what_is_known_is_told_by_embeddings(version: Version) -> None:
    honest = Honest.load(version.artifact)
    assert honest is not None
    assert honest.familiarity is not None
    assert honest.familiarity.spec is None


def test_another_training_computes_no_embedding(data: Path, version: Version) -> None:
    again = run(
        *("--data", str(data), "--features", "photo-net", "--recipe", "knn"),
        *("--name", "photo-colors", "--promote", "never"),
    )
    assert again.exit_code == 0, again.output
    assert Store().versions("photo-colors")[-1].manifest.recipe == "knn-features"


def test_versions_on_one_extractor_are_compared_by_embeddings(version: Version) -> None:
    extractor = version.artifact.extractor()
    other = saved_photos_version(Store(), extractor, name="photo-colors", seed=4)
    found = compare(other, version)
    assert (found.unknown, found.images) == (None, len(Reference.load(version.artifact) or ()))
    holdout = holdouts.frozen(version, other)
    assert isinstance(holdout, holdouts.Holdout)
    assert holdout.champion.dtype == np.float32
    Store().delete(other)


def test_versions_on_different_ones_are_not(version: Version, tmp_path: Path) -> None:
    other = saved_photos_version(Store(tmp_path / "models"), name="photo-colors")
    assert "extractors differ" in (compare(other, version).unknown or "")
    assert "kept as embeddings of photo-net" in str(holdouts.frozen(version, other))


def test_the_monitor_sees_a_change_by_embeddings(version: Version) -> None:
    monitored = MonitoredVersion.of(version)
    assert monitored.reference is not None
    detector = DriftDetector(DriftSettings(min_images=10)).fit(
        monitored.reference, monitored.spec, monitored.labels, monitored.familiarity
    )
    extractor = version.artifact.extractor()
    assert extractor is not None
    embedder, spec = extractor.open(), version.manifest.image_spec

    def state(pixels: NDArray[np.uint8]) -> str:
        embeddings = embedder.run(spec.features(pixels))
        outputs = monitored.answers(embeddings, monitored.runtime)
        return detector.compare(pixels, outputs, embeddings=embeddings).state

    calm, _ = photos(60, seed=11)
    assert state(calm) == "calm"
    gray = np.random.default_rng(0).integers(90, 160, (60, SPEC.n_features), np.uint8)
    assert state(gray) in ("warn", "alarm")


def test_an_image_spec_beside_it_is_wrong_usage(data: Path) -> None:
    result = run("--data", str(data), "--features", "photo-net", "--image-spec", "rgb-8x8")
    assert result.exit_code == 2
    assert "--image-spec is the extractor's" in result.stderr


def test_an_unknown_network_is_one_sentence(data: Path) -> None:
    result = run("--data", str(data), "--features", "nothing")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The store has no extractor 'nothing'")


def test_the_colors_are_those_of_the_folder(data: Path) -> None:
    assert {path.name for path in data.iterdir()} == set(COLORS)


def test_copies_and_a_curve_are_made_when_asked_for(data: Path, version: Version) -> None:
    result = run(
        *("--data", str(data), "--features", "photo-net", "--name", "photo-augmented"),
        *("--augment", "--learning-curve", "--holdout", "0.5"),
    )
    assert result.exit_code == 0, result.output
    (made,) = Store().versions("photo-augmented")
    assert made.manifest.augmented == 4
    assert "learning.png" in made.manifest.files
    assert made.manifest.data is not None
    assert made.manifest.data.images == 120


def test_copies_are_trained_on_in_int8_too(data: Path, version: Version) -> None:
    result = run(
        *("--data", str(data), "--features", "photo-net", "--name", "photo-small"),
        *("--augment", "--quantize", "--max-loss", "0.5"),
    )
    assert result.exit_code == 0, result.output
    (made,) = Store().versions("photo-small")
    assert made.manifest.augmented == 4
    assert made.manifest.quantization is not None
    assert made.manifest.extractor is not None
    assert made.manifest.extractor.name == "photo-net-int8"


def test_the_curve_is_of_the_network_that_the_version_has(
    data: Path, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves: list[Split] = []

    def recorded(parts: Split, *rest: Any) -> LearningCurve | None:
        curves.append(parts)
        return learning_curve(parts, *rest)

    monkeypatch.setattr(training_photos, "learning_curve", recorded)
    result = run(
        *("--data", str(data), "--features", "photo-net", "--name", "photo-small-curve"),
        *("--learning-curve", "--quantize", "--max-loss", "0.5"),
    )
    assert result.exit_code == 0, result.output
    (made,) = Store().versions("photo-small-curve")
    extractor = made.artifact.extractor()
    assert extractor is not None
    (parts,) = curves
    small = embeddings_of(parts.train.pixels[:8], extractor, EmbeddingCache(extractor))
    assert extractor.manifest.name == "photo-net-int8"
    assert np.array_equal(parts.train.features()[:8], small)


def test_copies_are_for_photos(data: Path) -> None:
    result = run("--data", str(data), "--augment")
    assert result.exit_code == 2
    assert "--augment needs --features" in result.stderr


def test_a_recipe_for_photos_needs_them(data: Path) -> None:
    result = run("--data", str(data), "--recipe", "lda")
    assert result.exit_code == 2
    assert "--recipe lda needs --features" in result.stderr


def test_an_extractor_that_decodes_in_full_can_be_trained_with(data: Path) -> None:
    spec = ImageSpec.parse("rgb-16x16:crop:bicubic")
    assert spec.decoding == "full"
    saved_extractor(Store(), "full-decoding", spec=spec)
    result = run(
        *("--data", str(data), "--features", "full-decoding", "--name", "full-colors"),
        *("--recipe", "knn", "--promote", "never"),
    )
    assert result.exit_code == 0, result.output
    assert Store().versions("full-colors")[-1].manifest.image_spec == spec


def test_an_extractors_name_is_refused_before_the_images_are_read(tmp_path: Path) -> None:
    saved_extractor(Store(), "taken-name")
    result = run("--data", str(tmp_path), "--features", "taken-name", "--name", "taken-name")
    assert result.exit_code == 1
    assert "'taken-name' is an extractor's name; give the model another." in result.stderr


def test_photos_that_do_not_fit_the_disk_are_one_sentence(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_extractor(Store(), "limited")
    monkeypatch.setattr("models.pixels.IN_MEMORY", 100 * SPEC.n_features)
    monkeypatch.setattr("models.spill.LEFT_FREE", 2**60)
    monkeypatch.setattr("train.loading.MAX_PIXEL_BYTES", 100 * SPEC.n_features)
    result = run("--data", str(data), "--features", "limited")
    assert result.exit_code == 1
    assert "Error: The 120 images in colors need 0.0 GiB of disk in" in result.stderr


def test_photos_on_disk_make_the_same_version(
    data: Path, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pixels.IN_MEMORY", 0)
    monkeypatch.setattr("train.loading.MAX_PIXEL_BYTES", 0)
    store = Store()
    before = {one.version for one in store.versions("photo-colors")}
    result = run(
        *("--data", str(data), "--features", "photo-net", "--name", "photo-colors"),
        *("--holdout", "0.5", "--promote", "never"),
    )
    assert result.exit_code == 0, result.output
    (again,) = [one for one in store.versions("photo-colors") if one.version not in before]
    try:
        assert not list(settings().home.glob("tmp*"))
        assert again.manifest.data == version.manifest.data
        assert again.manifest.metrics == version.manifest.metrics
        assert again.manifest.files == version.manifest.files
        lists = [store.training_images.read(one.name, one.version) for one in (version, again)]
        assert lists[0] is not None
        assert lists[1] is not None
        assert np.array_equal(lists[0].pixels[:], lists[1].pixels[:])
        assert (lists[0].labels, lists[0].sides) == (lists[1].labels, lists[1].sides)
    finally:
        store.delete(again)


def test_photos_on_disk_are_augmented_and_quantized(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.pixels.IN_MEMORY", 0)
    saved_extractor(Store(), "disk-net")
    result = run(
        *("--data", str(data), "--features", "disk-net", "--name", "disk-colors"),
        *("--augment", "--quantize", "--max-loss", "1"),
    )
    assert result.exit_code == 0, result.output
    assert Store().versions("disk-colors")[-1].manifest.quantization is not None


def test_a_failed_training_leaves_no_extractor_in_int8(data: Path) -> None:
    saved_extractor(Store(), "left-over")
    failed = run(
        *("--data", str(data), "--features", "left-over", "--name", "left-over-colors"),
        *("--quantize", "--holdout", "0.1", "--abstain", "0.999"),
    )
    assert failed.exit_code == 1
    assert "to abstain by 0.999 needs" in failed.stderr
    assert Extractors(Store()).all("left-over-int8") == []


def test_an_extractor_in_int8_is_not_quantized_again(data: Path) -> None:
    store = Store()
    whole = saved_extractor(store, "whole")
    in_int8(store, whole, photos(20)[0])
    again = run("--data", str(data), "--features", "whole-int8", "--quantize")
    assert again.exit_code == 1
    assert "is in int8 already; leave --quantize out." in again.stderr


def test_what_int8_may_cost_is_for_int8(data: Path) -> None:
    result = run("--data", str(data), "--features", "photo-net", "--max-loss", "0.05")
    assert result.exit_code == 2
    assert "--max-loss needs --quantize" in result.stderr
