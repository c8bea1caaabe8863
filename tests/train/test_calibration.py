from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import SVC

from models.offline import parity
from models.offline.conversion import convert
from models.offline.estimator import dump_estimator, load_estimator
from train.calibration import bare, calibrate, is_poor
from train.data_size import DataSize
from train.evaluate import calibration_error
from train.recipes import recipe

CLASSES, FEATURES = 26, 16


def blobs(per_class: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Images of 26 letters whose clouds overlap."""
    indices = np.repeat(np.arange(CLASSES), per_class)
    centers = np.random.default_rng(9).normal(0, 1, (CLASSES, FEATURES))
    noise = np.random.default_rng(seed).normal(0, 0.8, (len(indices), FEATURES))
    names = np.array([chr(ord("a") + index) for index in indices])
    return (centers[indices] + noise).astype(np.float32), names


@pytest.fixture(scope="module")
def trained() -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    return blobs(20)


def error(estimator: Any) -> float:
    features, names = blobs(20, seed=1)
    truth = np.searchsorted(estimator.classes_, names)
    return calibration_error(truth, estimator.predict_proba(features))


def fitted(name: str, features: NDArray[np.float32], names: NDArray[np.str_]) -> Any:
    """What the recipe calibrates, or else itself."""
    return bare(recipe(name).build(0, DataSize.of(names))).fit(features, names)


def labels_of(base: Any, features: NDArray[np.float32]) -> NDArray[np.str_]:
    """Those with the highest score."""
    if not hasattr(base, "decision_function"):
        return np.asarray(base.classes_[base.predict_proba(features).argmax(axis=1)])
    scores = base.decision_function(features)
    columns = scores > 0 if scores.ndim == 1 else scores.argmax(axis=1)
    return np.asarray(base.classes_[columns.astype(int)])


@pytest.mark.parametrize("name", ["svc", "logistic", "knn", "linear-svc"])
def test_many_classes(trained: Any, name: str) -> None:
    features, names = trained
    base = fitted(name, features, names)
    found = calibrate(base, features, names, None, 0, recipe(name).calibration_folds)
    assert found is not None
    assert error(found.estimator) < 0.05
    assert found.record.images == len(names)
    graph = convert(found.estimator, FEATURES)
    assert parity.check(found.estimator, graph, features[:50]).disagreements == 0


@pytest.mark.parametrize("name", ["svc", "logistic", "knn"])
@pytest.mark.parametrize("classes", [2, CLASSES])
def test_labels_stay(trained: Any, name: str, classes: int) -> None:
    features, names = trained[0][: 20 * classes], trained[1][: 20 * classes]
    base = fitted(name, features, names)
    found = calibrate(base, features, names, None, 0, 3)
    assert found is not None
    held = blobs(20, seed=1)[0]
    assert np.array_equal(found.estimator.predict(held), labels_of(base, held))


def test_the_better_of_both_ways_is_taken(trained: Any) -> None:
    features, names = trained
    found = calibrate(fitted("logistic", features, names), features, names, None, 0, 3)
    assert found is not None
    assert found.record.log_loss_before is None  # It gives decision scores.
    by_knn = calibrate(fitted("knn", features, names), features, names, None, 0, 3)
    assert by_knn is not None
    assert by_knn.record.log_loss_before is not None
    assert by_knn.record.log_loss < by_knn.record.log_loss_before


def test_svc_of_many_classes_is_too_unsure_by_scikit_learn(trained: Any) -> None:
    features, names = trained
    estimator = recipe("svc").build(0, DataSize.of(names)).fit(features, names)
    assert error(estimator) > 0.1


def test_two_classes(trained: Any) -> None:
    features, names = trained[0][:40], trained[1][:40]
    found = calibrate(
        fitted("logistic", features, names), features, names, np.arange(40) // 4, 0, 3
    )
    assert found is not None
    assert found.record.method == "temperature"
    assert np.allclose(found.estimator.predict_proba(features).sum(axis=1), 1)


def test_classes_without_a_mistake_do_not_become_certain() -> None:
    """scikit-learn's temperature gives 1.0 here."""
    features = np.concatenate([np.zeros((10, 2)), np.ones((10, 2))]).astype(np.float32)
    names = np.repeat(["a", "b"], 10)
    found = calibrate(fitted("svc", features, names), features, names, None, 0, 5)
    assert found is not None
    sure = found.estimator.predict_proba(features).max(axis=1)
    assert (sure > 0.9).all()
    assert (sure < 0.99).all()


def test_a_class_of_one_cannot_be_calibrated(trained: Any) -> None:
    features, names = trained[0][:21], trained[1][:21]
    assert calibrate(fitted("logistic", features, names), features, names, None, 0, 3) is None


def test_groups_that_are_classes_cannot_be_calibrated(trained: Any) -> None:
    features, names = trained
    assert calibrate(fitted("logistic", features, names), features, names, names, 0, 3) is None


@pytest.mark.parametrize("number", [1, 2, 4])
def test_few_groups_have_as_few_folds(trained: Any, number: int) -> None:
    features, names = trained[0][:40], trained[1][:40]
    base = fitted("logistic", features, names)
    found = calibrate(base, features, names, np.arange(40) % number, 0, 3)
    assert (None if found is None else found.record.folds) == {1: None, 2: 2, 4: 3}[number]


def test_the_original_stays_as_it_is(trained: Any) -> None:
    features, names = trained
    base = fitted("logistic", features, names)
    before = base.predict_proba(features)
    calibrate(base, features, names, None, 0, 3)
    assert np.array_equal(base.predict_proba(features), before)


@pytest.mark.parametrize("name", ["svc", "knn"])
def test_it_is_saved_without_pickle(trained: Any, name: str) -> None:
    features, names = trained
    found = calibrate(fitted(name, features, names), features, names, None, 0, 3)
    assert found is not None
    loaded = load_estimator(dump_estimator(found.estimator))
    assert np.array_equal(loaded.predict_proba(features), found.estimator.predict_proba(features))


def test_poor_is_more_than_chance() -> None:
    rng = np.random.default_rng(0)
    probabilities = np.tile([0.9, 0.1], (300, 1))
    assert is_poor((rng.random(300) < 0.4).astype(np.int64), probabilities)
    assert not is_poor((rng.random(300) < 0.1).astype(np.int64), probabilities)
    # Of six images, three right ones of four expected are no proof.
    assert not is_poor(np.array([0, 0, 0, 0, 1, 1]), np.tile([0.8, 0.2], (6, 1)))


def test_few_images_of_many_classes_keep_the_order_of_their_scores() -> None:
    features, names = blobs(4)
    found = calibrate(fitted("svc", features, names), features, names, None, 0, 5)
    assert found is not None
    held, truth = blobs(20, seed=1)
    bare_svc = (SVC(C=10).fit(features, names).predict(held) == truth).mean()
    assert (found.estimator.predict(held) == truth).mean() >= bare_svc - 0.02
    by_scikit_learn = recipe("svc").build(0, DataSize.of(names)).fit(features, names)
    assert (by_scikit_learn.predict(held) == truth).mean() < bare_svc - 0.05
