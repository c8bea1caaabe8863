"""The small search among the usual parameters of a recipe for embeddings."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import cross_val_predict

from train.calibration import bare
from train.data_size import DataSize
from train.feature_recipes import NEIGHBORS
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
    rows = turned(estimator[:-1].fit_transform(features))
    assert (cross_val_predict(estimator[-1], rows, labels, cv=splits) == as_it_is).all()


def scores(features: NDArray[np.float32], labels: NDArray[np.str_]) -> dict[int, float]:
    """The accuracy in cross-validation by the number of neighbors, the usual one first."""
    chosen = recipe("knn-features")
    splits = stratified(FOLDS, labels, None, 0)
    size = DataSize.of(labels).in_fold(FOLDS)
    found = {}
    for count in chosen.grid["knn__n_neighbors"]:
        estimator = bare(chosen.build(0, size).set_params(knn__n_neighbors=count))
        right = cross_val_predict(estimator, features, labels, cv=splits) == labels
        found[count] = float(right.mean())
    return found


def test_what_is_clearly_better_than_the_usual_is_taken() -> None:
    """Pairs of photos of a thing, and as many things as pairs: only the nearest one helps."""
    random = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 20)
    things = np.repeat(random.normal(0, 1, (30, 40)), 2, axis=0)
    features = (things + random.normal(0, 0.1, things.shape)).astype(np.float32)
    found = scores(features, labels)
    assert max(found, key=lambda count: found[count]) == 1
    assert search("knn-features", features, labels) == {"knn__n_neighbors": 1}


def test_what_may_be_better_by_chance_is_not() -> None:
    for seed in range(20):
        features, labels = clouds(8, 60, seed)
        found = scores(features, labels)
        usual, best = found[NEIGHBORS], max(found.values())
        if 0 < best - usual <= 1 / len(labels):
            break
    assert 0 < best - usual <= 1 / len(labels)
    assert search("knn-features", features, labels) == {"knn__n_neighbors": NEIGHBORS}


def test_neighbors_are_no_more_than_images() -> None:
    features, labels = clouds(2, 20)
    assert "knn__n_neighbors" in search("knn-features", features, labels)


def test_nothing_is_searched_without_folds_or_a_grid() -> None:
    features, labels = clouds(1, 20)
    assert search("logistic-features", features, labels) == {}
    features, labels = clouds(4, 20)
    assert search("forest", features, labels) == {}


def test_a_class_of_one_group_leaves_the_usual_parameters() -> None:
    features, labels = clouds(8, 12)
    groups = np.where(labels == "c", "one", np.arange(24).astype(str))
    found = tuned(
        recipe("logistic-features"), features, labels, groups, 0, lambda _done, _total: None
    )
    assert found == {}
