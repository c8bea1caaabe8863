"""The small search among the usual parameters of a recipe for embeddings."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import cross_val_predict

from train.calibration import bare
from train.data_size import DataSize
from train.folds import stratified
from train.recipes import recipe
from train.tuning import FOLDS, tuned, turned

CLASSES = 3


def clouds(
    each: int, dimension: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    """Overlapping ones, not negative, as a network's numbers are."""
    random = np.random.default_rng(seed)
    labels = np.repeat(["a", "b", "c"], each)
    middles = random.gamma(1, 1, (CLASSES, dimension))
    noise = random.normal(0, 2.5, (len(labels), dimension))
    rows = np.maximum(0, middles[np.repeat(np.arange(CLASSES), each)] + noise)
    return rows.astype(np.float32), labels


def search(name: str, features: NDArray[np.float32], labels: NDArray[np.str_]) -> dict[str, object]:
    return dict(tuned(recipe(name), features, labels, None, 0, lambda _done, _total: None))


def test_what_is_turned_keeps_lengths_and_angles() -> None:
    features, _ = clouds(10, 200)
    found = turned(features)
    assert found.shape == (30, 30)
    np.testing.assert_allclose(found @ found.T, features @ features.T, rtol=1e-4)


def test_many_images_stay_as_they_are() -> None:
    features, _ = clouds(10, 12)
    assert turned(features) is features


@pytest.mark.parametrize("name", ["logistic-features", "knn-features"])
def test_what_turns_predicts_the_same(name: str) -> None:
    features, labels = clouds(10, 100)
    chosen = recipe(name)
    assert chosen.turns
    splits = stratified(FOLDS, labels, None, 0)
    estimator = bare(chosen.build(0, DataSize.of(labels).in_fold(FOLDS)))
    as_it_is = cross_val_predict(estimator, features, labels, cv=splits)
    assert (cross_val_predict(estimator, turned(features), labels, cv=splits) == as_it_is).all()


def test_the_best_of_the_grid_is_taken() -> None:
    features, labels = clouds(12, 60, seed=3)
    chosen = recipe("knn-features")
    splits = stratified(FOLDS, labels, None, 0)
    size = DataSize.of(labels).in_fold(FOLDS)
    right = {
        count: (
            cross_val_predict(
                bare(chosen.build(0, size).set_params(knn__n_neighbors=count)),
                features,
                labels,
                cv=splits,
            )
            == labels
        ).mean()
        for count in chosen.grid["knn__n_neighbors"]
    }
    assert len(set(right.values())) > 1
    assert search("knn-features", features, labels) == {
        "knn__n_neighbors": max(right, key=lambda count: right[count])
    }


def test_nothing_is_searched_without_folds_or_a_grid() -> None:
    features, labels = clouds(1, 20)
    assert search("logistic-features", features, labels) == {}
    features, labels = clouds(4, 20)
    assert search("forest", features, labels) == {}
