"""Each recipe learns, repeats itself, and has a graph that answers as it does."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import ParameterSampler, train_test_split

from errors import RecipeError
from images.spec import ImageSpec
from models.offline import parity
from models.offline.conversion import convert
from train.data_size import UNLIMITED, DataSize
from train.recipes import RECIPES, recipe

SPEC = ImageSpec.parse("digits")
DIGITS = load_digits()
PIXELS = np.rint(DIGITS.data / 16 * 255).astype(np.uint8)

SMALL_COLOR = ImageSpec.parse("rgb-16x16")


def holdout(seed: int) -> tuple[NDArray[np.float32], NDArray[np.uint8], Any, Any]:
    train, held, targets, truth = train_test_split(
        PIXELS, DIGITS.target, test_size=0.2, stratify=DIGITS.target, random_state=seed
    )
    return SPEC.features(train), held, targets, truth


def few_images(per_class: int) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Two classes of color images with a border that never varies."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 200, (2 * per_class, 16, 16, 3))
    pixels[per_class:, 4:12, 4:12, 0] += 50
    pixels[:, 0] = 255
    names = np.array(["plain", "marked"]).repeat(per_class)
    return pixels.reshape(len(pixels), -1).astype(np.uint8), names


@pytest.mark.parametrize("name", RECIPES)
def test_on_digits_it_learns_and_its_graph_agrees(name: str) -> None:
    features, held, targets, truth = holdout(0)
    estimator = RECIPES[name].build(0, DataSize.of(targets)).fit(features, targets)
    assert estimator.score(SPEC.features(held), truth) >= 0.94
    checked = SPEC.features(parity.variants(held[:150], SPEC, seed=0))
    graph = convert(estimator, SPEC.n_features)
    assert graph.output == "probabilities"
    assert parity.check(estimator, graph, checked).disagreements == 0


@pytest.mark.parametrize("name", RECIPES)
def test_on_a_few_named_images_its_graph_agrees(name: str) -> None:
    pixels, names = few_images(30)
    features = SMALL_COLOR.features(pixels)
    estimator = RECIPES[name].build(0, DataSize.of(names)).fit(features, names)
    checked = SMALL_COLOR.features(parity.variants(pixels, SMALL_COLOR, seed=0))
    graph = convert(estimator, SMALL_COLOR.n_features)
    assert parity.check(estimator, graph, checked).disagreements == 0


@pytest.mark.parametrize("name", RECIPES)
def test_two_images_of_a_class_are_enough(name: str) -> None:
    pixels, names = few_images(2)
    features = SMALL_COLOR.features(pixels)
    estimator = RECIPES[name].build(0, DataSize.of(names)).fit(features, names)
    probabilities = estimator.predict_proba(features)
    assert np.allclose(probabilities.sum(axis=1), 1)
    graph = convert(estimator, SMALL_COLOR.n_features)
    assert parity.check(estimator, graph, features).disagreements == 0


@pytest.mark.parametrize("seed", range(5))
def test_svc_is_right_on_985_of_1000_digits(seed: int) -> None:
    features, held, targets, truth = holdout(seed)
    estimator = RECIPES["svc"].build(seed, DataSize.of(targets)).fit(features, targets)
    assert estimator.score(SPEC.features(held), truth) >= 0.985


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_seed_gives_the_same_graph(name: str) -> None:
    pixels, names = few_images(10)
    features = SMALL_COLOR.features(pixels)
    size = DataSize.of(names)
    first, again = (RECIPES[name].build(7, size).fit(features, names) for _ in range(2))
    assert convert(first, features.shape[1]) == convert(again, features.shape[1])


@pytest.mark.parametrize("name", RECIPES)
def test_every_range_is_of_a_parameter_that_is_not_fixed(name: str) -> None:
    found = RECIPES[name]
    parameters = found.build(0).get_params()
    assert found.ranges.keys() <= parameters.keys()
    assert not found.ranges.keys() & found.fixed.keys()
    assert found.fixed.items() <= parameters.items()


@pytest.mark.parametrize("name", RECIPES)
def test_points_of_its_space_can_be_fitted(name: str) -> None:
    pixels, names = few_images(4)
    features = SMALL_COLOR.features(pixels)
    found, size = RECIPES[name], DataSize.of(names)
    for point in ParameterSampler(dict(found.space(size)), 3, random_state=0):
        estimator = clone(found.build(0, size)).set_params(**point).fit(features, names)
        assert estimator.predict_proba(features).shape == (8, 2)


def test_more_neighbors_than_images_are_not_tried() -> None:
    space = RECIPES["knn"].space(DataSize(images=6, rarest=2))
    assert space["knn__n_neighbors"] == [1, 3, 5]
    assert RECIPES["knn"].space(UNLIMITED) == RECIPES["knn"].ranges


@pytest.mark.parametrize("name", ["svc", "linear-svc"])
def test_one_image_of_a_class_is_too_few_to_calibrate(name: str) -> None:
    with pytest.raises(RecipeError, match="at least two training images of each class"):
        RECIPES[name].build(0, DataSize(images=10, rarest=1))


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match="'bayes'; choose one of svc, forest, boosting, logistic"):
        recipe("bayes")


def test_a_recipe_is_found_by_its_name() -> None:
    assert recipe("mlp") is RECIPES["mlp"]
