import warnings
from pathlib import Path

import numpy as np
import pytest

from errors import RecipeError
from images.spec import ImageSpec
from models.offline.candidate import Candidate
from models.offline.estimator import dump_estimator
from tests.drawing import SHAPES, draw_folder
from train.dataset import Dataset, split
from train.digits import load_digits
from train.fit import SearchPlan, TrainingResult, train
from train.folder import load_folder

DIGITS = ImageSpec.parse("digits")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_digits(DIGITS)


@pytest.fixture(scope="module")
def result(digits: Dataset) -> TrainingResult:
    return train(digits, "logistic")


def test_digits_reach_the_published_accuracy(digits: Dataset) -> None:
    # scikit-learn's own example, SVC(gamma=0.001) on half of the digits, has 0.97:
    # https://scikit-learn.org/stable/auto_examples/classification/plot_digits_classification.html
    assert train(digits, "svc").metrics.accuracy.value >= 0.97


def test_drawn_shapes_are_learned_with_their_names(tmp_path: Path) -> None:
    dataset = load_folder(draw_folder(tmp_path, images=80), ImageSpec.parse("rgb-64x64"))
    result = train(dataset)
    assert result.metrics.accuracy.value >= 0.95
    assert result.candidate.estimator.classes_.tolist() == sorted(SHAPES)
    assert [entry.label for entry in result.metrics.classes] == sorted(SHAPES)


def test_the_same_seed_trains_the_same(digits: Dataset, result: TrainingResult) -> None:
    again = train(digits, "logistic")
    assert again.metrics == result.metrics
    assert again.candidate.pictures == result.candidate.pictures
    assert dump_estimator(again.candidate.estimator) == dump_estimator(result.candidate.estimator)


def test_another_seed_trains_another(digits: Dataset, result: TrainingResult) -> None:
    assert train(digits, "logistic", seed=1).metrics != result.metrics


def test_it_is_evaluated_on_what_it_was_not_trained_on(
    digits: Dataset, result: TrainingResult
) -> None:
    held = split(digits, 0.2, seed=0).holdout
    right = (result.candidate.estimator.predict(held.features()) == held.targets).mean()
    assert result.metrics.images == len(held) == 359
    assert result.metrics.accuracy.value == pytest.approx(right)


def test_the_reference_is_the_holdout_with_its_probabilities(
    digits: Dataset, result: TrainingResult
) -> None:
    candidate = result.candidate
    reference = candidate.reference
    assert reference is not None
    expected = candidate.estimator.predict_proba(candidate.spec.features(reference.pixels))
    assert np.allclose(reference.probabilities, expected, atol=1e-6)
    assert reference.probabilities.dtype == np.float32
    accuracy = (reference.probabilities.argmax(axis=1) == reference.labels).mean()
    assert accuracy == pytest.approx(result.metrics.accuracy.value)


def test_the_reference_has_statistics_of_the_training_data(
    digits: Dataset, result: TrainingResult
) -> None:
    reference = result.candidate.reference
    assert reference is not None
    trained = split(digits, 0.2, seed=0).train
    assert reference.pca_mean is not None
    np.testing.assert_allclose(reference.pca_mean, trained.features().mean(axis=0), atol=1e-4)
    assert reference.pca_components is not None
    assert reference.pca_components.shape == (20, 64)
    assert reference.sizes is not None
    assert reference.sizes.shape == (1438, 2)
    assert set(reference.sizes.ravel().tolist()) == {8}
    assert reference.neighbours is not None
    assert sorted(map(bytes, reference.neighbours)) == sorted(map(bytes, trained.pixels))
    assert reference.nearest is not None
    assert len(reference.nearest) == len(digits)


def test_the_half_models_are_accurate_and_differ(result: TrainingResult) -> None:
    candidate = result.candidate
    assert candidate.halves is not None
    assert candidate.reference is not None
    features = candidate.spec.features(candidate.reference.pixels)
    labels = candidate.reference.labels
    first, second = (half.predict(features) for half in candidate.halves)
    assert (first == labels).mean() > 0.9
    assert (second == labels).mean() > 0.9
    assert (first != second).any()


@pytest.mark.parametrize("name", ["logistic", "forest", "mlp", "svc"])
def test_the_same_seed_writes_the_same_content(digits: Dataset, tmp_path: Path, name: str) -> None:
    small = digits.take(np.arange(150))
    digests = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        manifest = train(small, name).candidate.write(folder)
        assert {"half_a.onnx", "half_b.onnx"} <= manifest.files.keys()
        digests.append(manifest.content)
    assert digests[0] == digests[1]


def test_the_reference_is_capped(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.reference.REFERENCE_IMAGES", 50)
    candidate = train(digits, "logistic").candidate
    assert candidate.reference is not None
    assert candidate.reference.pixels.shape == candidate.check_pixels.shape == (50, 64)
    assert set(candidate.reference.labels.tolist()) == set(range(10))


def test_the_fingerprint_identifies_the_data(digits: Dataset, result: TrainingResult) -> None:
    data = result.candidate.data
    assert data is not None
    assert (data.name, data.images, data.holdout, data.seed) == ("digits", 1797, 359, 0)
    assert data.sha256 == digits.sha256
    assert data.classes == digits.counts


def test_parameters_are_those_of_the_recipe(result: TrainingResult) -> None:
    assert result.candidate.recipe == "logistic"
    assert result.candidate.parameters == {"logistic__C": 0.1, "logistic__solver": "lbfgs"}


def test_a_search_decides_the_parameters(digits: Dataset) -> None:
    stages: list[tuple[str, int, int]] = []
    result = train(
        digits,
        "knn",
        plan=SearchPlan(2, workers=1),
        on_stage=lambda stage, done, total: stages.append((stage, done, total)),
    )
    assert result.search is not None
    winner = result.search.winner.parameters
    assert result.candidate.parameters == {**winner, "knn__weights": "uniform"}
    assert stages[0] == ("search", 0, 10)
    assert stages[-4:-2] == [("fit", 0, 1), ("fit", 1, 1)]
    assert stages[-2:] == [("calibrate", 0, 1), ("calibrate", 1, 1)]


def test_the_candidate_can_be_written(tmp_path: Path, result: TrainingResult) -> None:
    candidate = result.candidate
    assert isinstance(candidate, Candidate)
    manifest = candidate.write(tmp_path)
    assert manifest.metrics == result.metrics
    assert {"confusion.png", "mistakes.png", "reference.npz"} <= manifest.files.keys()


def test_two_images_of_each_class_can_be_trained_on(tmp_path: Path) -> None:
    dataset = load_folder(draw_folder(tmp_path, images=2), ImageSpec.parse("rgb-8x8"))
    result = train(dataset, "forest", holdout=0.5)
    assert result.metrics.images == 3
    assert result.candidate.halves is None
    assert result.candidate.without_halves is not None
    assert "has a single image to train on" in result.candidate.without_halves


def test_too_few_images_for_a_recipe(tmp_path: Path) -> None:
    dataset = load_folder(draw_folder(tmp_path, images=2), ImageSpec.parse("rgb-8x8"))
    with pytest.raises(RecipeError, match="at least two training images of each class"):
        train(dataset, "svc")


def test_an_unknown_recipe(digits: Dataset) -> None:
    with pytest.raises(RecipeError, match="No recipe is named 'magic'"):
        train(digits, "magic")


def test_a_plan_of_no_candidates() -> None:
    with pytest.raises(RecipeError, match="at least one candidate, not 0"):
        SearchPlan(0)


def test_two_images_of_each_class_give_no_warning_of_a_regression() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (60, 64), np.uint8)
    labels = np.repeat([f"c{number}" for number in range(30)], 2)
    dataset = Dataset(pixels, labels, "few", ImageSpec.parse("gray-8x8"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert train(dataset, "logistic", holdout=0.5).metrics.images == 30
