from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import SVC

from models.offline import parity
from models.offline.conversion import convert
from train.calibration import is_poor, mended
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


@pytest.mark.parametrize("name", ["svc", "logistic", "knn"])
def test_many_classes_are_mended_on_the_training_data(trained: Any, name: str) -> None:
    features, names = trained
    estimator = recipe(name).build(0, DataSize.of(names)).fit(features, names)
    better = mended(estimator, features, names, None, seed=0)
    assert better is not None
    assert error(better) < max(0.05, 0.5 * error(estimator))
    graph = convert(better, FEATURES)
    assert parity.check(better, graph, features[:50]).disagreements == 0


def test_svc_of_many_classes_is_too_unsure_without(trained: Any) -> None:
    features, names = trained
    estimator = recipe("svc").build(0, DataSize.of(names)).fit(features, names)
    assert error(estimator) > 0.1


def test_two_classes(trained: Any) -> None:
    features, names = trained[0][:40], trained[1][:40]
    estimator = recipe("logistic").build(0, DataSize.of(names)).fit(features, names)
    better = mended(estimator, features, names, np.arange(40) // 4, seed=0)
    assert better is not None
    assert np.allclose(better.predict_proba(features).sum(axis=1), 1)


def test_a_class_of_one_cannot_be_calibrated(trained: Any) -> None:
    features, names = trained[0][:21], trained[1][:21]
    estimator = recipe("logistic").build(0).fit(features, names)
    assert mended(estimator, features, names, None, seed=0) is None


def test_groups_that_are_classes_cannot_be_calibrated(trained: Any) -> None:
    features, names = trained
    estimator = recipe("logistic").build(0).fit(features, names)
    assert mended(estimator, features, names, names, seed=0) is None


@pytest.mark.parametrize("number", [1, 2, 4])
def test_few_groups_have_as_few_folds(trained: Any, number: int) -> None:
    features, names = trained[0][:40], trained[1][:40]
    estimator = recipe("logistic").build(0, DataSize.of(names)).fit(features, names)
    better = mended(estimator, features, names, np.arange(40) % number, seed=0)
    assert (better is None) == (number < 2)


def test_the_original_stays_as_it_is(trained: Any) -> None:
    features, names = trained
    estimator = recipe("svc").build(0, DataSize.of(names)).fit(features, names)
    before = estimator.predict_proba(features)
    mended(estimator, features, names, None, seed=0)
    assert np.array_equal(estimator.predict_proba(features), before)


def test_poor_is_more_than_chance() -> None:
    rng = np.random.default_rng(0)
    probabilities = np.tile([0.9, 0.1], (300, 1))
    assert is_poor((rng.random(300) < 0.4).astype(np.int64), probabilities)
    assert not is_poor((rng.random(300) < 0.1).astype(np.int64), probabilities)
    # Of six images, three right ones of four expected are no proof.
    assert not is_poor(np.array([0, 0, 0, 0, 1, 1]), np.tile([0.8, 0.2], (6, 1)))


def test_few_images_of_many_classes_keep_the_order_of_their_scores() -> None:
    features, names = blobs(4)
    estimator = recipe("svc").build(0, DataSize.of(names)).fit(features, names)
    better = mended(estimator, features, names, None, seed=0)
    assert better is not None
    held, truth = blobs(20, seed=1)
    bare = (SVC(C=10).fit(features, names).predict(held) == truth).mean()
    assert (better.predict(held) == truth).mean() >= bare - 0.02
    assert (estimator.predict(held) == truth).mean() < bare - 0.05
