"""Recipes: the named scikit-learn pipelines that ``python -m train`` offers.

Each gives probabilities, and the same seed and data give the same estimator. They hold nothing but
scikit-learn's own types, so that they can be sent to a cluster and saved as skops.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import loguniform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from errors import RecipeError

CALIBRATION_FOLDS = 5
NEIGHBOURS = 5
LEAF_IMAGES = 20


class Amount(NamedTuple):
    """How much there is to train on: images in all, and of the rarest class.

    Some settings cannot be larger than the data: folds of a calibration, neighbours, images in a
    leaf. A recipe is built for an amount, rather than with classes of ours that would adapt
    themselves, because those could be neither sent to a cluster nor loaded without Pupila.
    """

    images: int
    rarest: int

    @classmethod
    def of(cls, targets: NDArray[Any]) -> Self:
        """The amount in ``targets``, the labels [N] to fit on."""
        counts = np.unique(targets, return_counts=True)[1]
        return cls(int(counts.sum()), int(counts.min()))

    def in_fold(self, folds: int) -> "Amount":
        """The least that is left to train on in one of ``folds`` stratified folds."""
        return Amount(
            self.images - -(-self.images // folds), self.rarest - -(-self.rarest // folds)
        )


PLENTY = Amount(images=1_000_000, rarest=100_000)


@dataclass(frozen=True)
class Recipe:
    """A pipeline by name.

    ``ranges`` says what a search may vary: for each of the pipeline's parameters a list of values,
    or a scipy.stats distribution, as scikit-learn's ParameterSampler takes them. ``fixed`` is set
    after the builder and never varied.
    """

    name: str
    summary: str
    builder: Callable[[int, Amount], Any]
    ranges: Mapping[str, Any]
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def build(self, seed: int, amount: Amount = PLENTY) -> Any:
        """A fresh estimator whose random state is ``seed``.

        ``amount`` is what it will be fitted on, in cross-validation the smallest fold's. Raises
        RecipeError if that is too little for this recipe.
        """
        return self.builder(seed, amount).set_params(**self.fixed)

    def space(self, amount: Amount = PLENTY) -> Mapping[str, Any]:
        """``ranges`` without numbers of neighbours that ``amount`` does not have."""
        return {
            name: [value for value in values if value <= amount.images] or [1]
            if name.endswith("n_neighbors")
            else values
            for name, values in self.ranges.items()
        }


def recipe(name: str) -> Recipe:
    """The recipe of that name; raises RecipeError, with the names there are, for another."""
    try:
        return RECIPES[name]
    except KeyError:
        raise RecipeError(
            f"There is no recipe {name!r}; choose from {', '.join(RECIPES)}."
        ) from None


def _calibrated(estimator: Any, amount: Amount) -> CalibratedClassifierCV:
    # ensemble=False: one classifier on all data and one sigmoid, not one of each for every fold.
    # Sigmoid: temperature scaling is nearer the truth on all digits (calibration error 0.01 against
    # 0.04), but says 1.0 of everything where the folds hold no mistake, as in small sets.
    if amount.rarest < 2:
        raise RecipeError(
            "Calibrated recipes need two training images of each class at least; "
            "add images of the rarest class, or choose logistic or forest."
        )
    folds = min(CALIBRATION_FOLDS, amount.rarest)
    return CalibratedClassifierCV(estimator, cv=folds, ensemble=False)


def _svc(seed: int, amount: Amount) -> Any:
    return _calibrated(SVC(C=10, gamma="scale", random_state=seed), amount)


def _linear_svc(seed: int, amount: Amount) -> Any:
    steps = [("scaler", StandardScaler()), ("svc", LinearSVC(C=0.01, random_state=seed))]
    return _calibrated(Pipeline(steps), amount)


def _logistic(seed: int, _amount: Amount) -> Any:
    model = LogisticRegression(C=0.1, max_iter=1000, random_state=seed)
    return Pipeline([("scaler", StandardScaler()), ("logistic", model)])


def _mlp(seed: int, _amount: Amount) -> Any:
    model = MLPClassifier((100,), alpha=1.0, max_iter=1000, random_state=seed)
    return Pipeline([("scaler", StandardScaler()), ("mlp", model)])


def _knn(seed: int, amount: Amount) -> Any:
    # Pixels are whole numbers, whose distances are often equal; which neighbour then counts is
    # anyone's guess. Projections are not, and a share of the variance, unlike a number of
    # components, is there in any amount of data.
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, amount.images))
    return Pipeline([("pca", PCA(0.95, random_state=seed)), ("knn", neighbours)])


def _forest(seed: int, _amount: Amount) -> Any:
    return RandomForestClassifier(100, random_state=seed)


def _boosting(seed: int, amount: Amount) -> Any:
    # With leaves of 20 images, a few dozen images could not be split at all.
    return HistGradientBoostingClassifier(
        max_leaf_nodes=15,
        max_features=0.3,
        min_samples_leaf=max(1, min(LEAF_IMAGES, amount.rarest // 2)),
        random_state=seed,
    )


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        found.name: found
        for found in (
            Recipe(
                "svc",
                "support vector machine with an RBF kernel, calibrated; the most accurate here",
                _svc,
                {
                    "estimator__C": loguniform(0.3, 300),
                    # "scale" is near 4e-4 for the digits and 1e-3 for 64x64 pixels in colour.
                    "estimator__gamma": loguniform(1e-5, 1e-1),
                },
                {"estimator__kernel": "rbf", "method": "sigmoid"},
            ),
            Recipe(
                "forest",
                "random forest of 100 trees; needs no tuning",
                _forest,
                {
                    "max_features": ["sqrt", "log2", 0.1, 0.2],
                    "min_samples_leaf": [1, 2, 3, 5],
                    "criterion": ["gini", "entropy"],
                },
                {"n_estimators": 100},
            ),
            Recipe(
                "boosting",
                "gradient boosting of small trees on histograms",
                _boosting,
                {
                    "learning_rate": loguniform(0.03, 0.3),
                    "max_leaf_nodes": [7, 15, 31],
                    "max_features": [0.1, 0.3, 1.0],
                    "l2_regularization": loguniform(1e-3, 10),
                },
                # Stopping early would hold back images that a small class cannot spare.
                {"early_stopping": False, "max_iter": 100},
            ),
            Recipe(
                "logistic",
                "logistic regression on standardised features; the fastest",
                _logistic,
                {"logistic__C": loguniform(1e-4, 10)},
                {"logistic__solver": "lbfgs"},
            ),
            Recipe(
                "mlp",
                "neural network with one or two hidden layers on standardised features",
                _mlp,
                {
                    "mlp__hidden_layer_sizes": [(50,), (100,), (200,), (100, 50)],
                    "mlp__alpha": loguniform(1e-3, 10),
                    "mlp__learning_rate_init": loguniform(3e-4, 1e-2),
                },
                {"mlp__activation": "relu", "mlp__solver": "adam"},
            ),
            Recipe(
                "knn",
                "nearest neighbours among the principal components",
                _knn,
                {"pca__n_components": [0.8, 0.9, 0.95, 0.98], "knn__n_neighbors": [1, 3, 5, 7, 9]},
                {"knn__weights": "uniform"},
            ),
            Recipe(
                "linear-svc",
                "linear support vector machine on standardised features, calibrated",
                _linear_svc,
                {"estimator__svc__C": loguniform(1e-5, 10)},
                {"estimator__svc__loss": "squared_hinge", "method": "sigmoid"},
            ),
        )
    }
)
