import numpy as np
import pytest
from sklearn.datasets import load_digits

from train.halves import fit_halves, halve
from train.recipes import recipe

INK, TARGETS = load_digits(return_X_y=True)
FEATURES = INK.astype(np.float32)
SOME = FEATURES[:300]


def test_the_halves_have_every_image_once() -> None:
    first, second = halve(TARGETS, seed=0)
    assert sorted([*first, *second]) == list(range(1797))
    assert abs(len(first) - len(second)) <= 1


def test_each_class_is_split_in_two() -> None:
    first, second = halve(TARGETS, seed=0)
    for label in range(10):
        assert abs((TARGETS[first] == label).sum() - (TARGETS[second] == label).sum()) <= 1


def test_the_seed_decides_the_halves() -> None:
    assert halve(TARGETS, 0)[0].tolist() == halve(TARGETS, 0)[0].tolist()
    assert halve(TARGETS, 0)[0].tolist() != halve(TARGETS, 1)[0].tolist()


def test_the_copies_are_of_the_recipe_as_searched() -> None:
    made = fit_halves(recipe("logistic"), {"logistic__C": 0.5}, SOME, TARGETS[:300], seed=0)
    assert made.reason is None
    assert made.estimators is not None
    first, second = made.estimators
    assert first.get_params()["logistic__C"] == second.get_params()["logistic__C"] == 0.5
    assert (first["logistic"].coef_ != second["logistic"].coef_).any()


def test_a_class_of_one_image_has_no_halves() -> None:
    targets = np.array(["a", "a", "b", "b", "c"])
    made = fit_halves(recipe("forest"), {}, FEATURES[:5], targets, seed=0)
    assert made.estimators is None
    assert made.reason == "Class 'c' has a single image to train on, but each half needs one."


@pytest.mark.parametrize(
    ("name", "parameters", "why"),
    [
        ("svc", {}, "Calibrated recipes need at least two training images of each class"),
        ("mlp", {"mlp__alpha": -1.0}, "alpha"),
    ],
)
def test_what_cannot_be_fitted_is_a_reason(
    name: str, parameters: dict[str, float], why: str
) -> None:
    targets = np.array([0, 0, 1, 1])
    made = fit_halves(recipe(name), parameters, FEATURES[:4], targets, seed=0)
    assert made.estimators is None
    assert made.reason is not None
    assert why in made.reason
    assert "\n" not in made.reason
