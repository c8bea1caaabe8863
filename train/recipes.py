"""Recipes: the named scikit-learn pipelines that ``python -m train`` offers.

Each gives probabilities, and the same seed and data give the same estimator. They consist of
scikit-learn's own types, so that they can be sent to a cluster and saved as skops.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

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
from train import feature_recipes as by_features
from train.data_size import UNLIMITED, DataSize

CALIBRATION_FOLDS = 5
NEIGHBORS = 5
LEAF_IMAGES = 20


@dataclass(frozen=True)
class Recipe:
    """A named pipeline.

    ``ranges`` are what a search may vary: for each parameter of the pipeline a list of values or a
    scipy.stats distribution, as for scikit-learn's ParameterSampler. ``fixed`` parameters are set
    after the builder and never varied. ``calibration_folds``: into how many the training data are
    divided to calibrate it; with three, one training costs three, and the digits' calibration
    errors are as with five. ``grid``: values of which ``train.tuning`` takes the best without being
    asked. ``turns``: whether its last step predicts the same after a rotation of what the steps
    before it make of each image.
    """

    name: str
    summary: str
    builder: Callable[[int, DataSize], Any]
    ranges: Mapping[str, Any]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    calibration_folds: int = 3
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    turns: bool = False

    def build(self, seed: int, size: DataSize = UNLIMITED) -> Any:
        """A new estimator with the random state ``seed``.

        ``size`` is that of the data it will be fitted on; in a cross-validation, of the smallest
        training set. Raises RecipeError if that is too small for this recipe.
        """
        return self.builder(seed, size).set_params(**self.fixed)

    def space(self, size: DataSize = UNLIMITED) -> Mapping[str, Any]:
        """``ranges``, as far as they go with so much data."""
        return self.possible(self.ranges, size)

    def possible(self, choices: Mapping[str, Any], size: DataSize) -> Mapping[str, Any]:
        """``ranges`` or ``grid`` with numbers of neighbors up to the number of images."""
        return {
            name: [value for value in values if value <= size.images] or [1]
            if name.endswith("n_neighbors")
            else values
            for name, values in choices.items()
        }


def recipe(name: str) -> Recipe:
    """The recipe with this name; raises RecipeError, which lists the names, if there is none."""
    if name in FEATURE_RECIPES:
        return FEATURE_RECIPES[name]
    try:
        return RECIPES[name]
    except KeyError:
        raise RecipeError(
            f"No recipe is named {name!r}; choose one of {', '.join(RECIPES)}."
        ) from None


def _calibrated(estimator: Any, size: DataSize) -> CalibratedClassifierCV:
    # ensemble=False: one classifier on all data and one sigmoid, not one of each for every fold.
    # A search needs probabilities; what is saved gets better ones, see train.calibration.
    if size.rarest < 2:
        raise RecipeError(
            "Calibrated recipes need at least two training images of each class; "
            "add images of the rarest class, or choose logistic or forest."
        )
    folds = min(CALIBRATION_FOLDS, size.rarest)
    return CalibratedClassifierCV(estimator, cv=folds, ensemble=False)


def _svc(seed: int, size: DataSize) -> Any:
    return _calibrated(SVC(C=10, gamma="scale", random_state=seed), size)


def _linear_svc(seed: int, size: DataSize) -> Any:
    steps = [("scaler", StandardScaler()), ("svc", LinearSVC(C=0.01, random_state=seed))]
    return _calibrated(Pipeline(steps), size)


def _logistic(seed: int, _size: DataSize) -> Any:
    model = LogisticRegression(C=0.1, max_iter=1000, random_state=seed)
    return Pipeline([("scaler", StandardScaler()), ("logistic", model)])


def _mlp(seed: int, _size: DataSize) -> Any:
    model = MLPClassifier((100,), alpha=1.0, max_iter=1000, random_state=seed)
    return Pipeline([("scaler", StandardScaler()), ("mlp", model)])


def _knn(seed: int, size: DataSize) -> Any:
    # Pixels are whole numbers, so their distances are often equal, and which neighbor then counts
    # is arbitrary. Projections avoid that. A proportion of the variance, unlike a number of
    # components, works with any data size.
    neighbors = KNeighborsClassifier(min(NEIGHBORS, size.images))
    return Pipeline([("pca", PCA(0.95, random_state=seed)), ("knn", neighbors)])


def _forest(seed: int, _size: DataSize) -> Any:
    return RandomForestClassifier(100, random_state=seed)


def _boosting(seed: int, size: DataSize) -> Any:
    # With leaves of 20 images, a few dozen images could not be split at all.
    return HistGradientBoostingClassifier(
        max_leaf_nodes=15,
        max_features=0.3,
        min_samples_leaf=max(1, min(LEAF_IMAGES, size.rarest // 2)),
        random_state=seed,
    )


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Recipe(
                "svc",
                "support vector machine with an RBF kernel, calibrated; the most accurate of these",
                _svc,
                {
                    "estimator__C": loguniform(0.3, 300),
                    # "scale" is near 4e-4 for the digits and 1e-3 for 64x64 pixels in color.
                    "estimator__gamma": loguniform(1e-5, 1e-1),
                },
                {"estimator__kernel": "rbf"},
                CALIBRATION_FOLDS,
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
                # Early stopping would hold out images that a small class cannot spare.
                {"early_stopping": False, "max_iter": 100},
            ),
            Recipe(
                "logistic",
                "logistic regression on standardized features; the fastest",
                _logistic,
                {"logistic__C": loguniform(1e-4, 10)},
                {"logistic__solver": "lbfgs"},
            ),
            Recipe(
                "mlp",
                "neural network with one or two hidden layers on standardized features",
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
                "nearest neighbors in the space of the principal components",
                _knn,
                {"pca__n_components": [0.8, 0.9, 0.95, 0.98], "knn__n_neighbors": [1, 3, 5, 7, 9]},
                {"knn__weights": "uniform"},
            ),
            Recipe(
                "linear-svc",
                "linear support vector machine on standardized features, calibrated",
                _linear_svc,
                {"estimator__svc__C": loguniform(1e-5, 10)},
                {"estimator__svc__loss": "squared_hinge"},
                CALIBRATION_FOLDS,
            ),
        )
    }
)


def _svc_of_features(seed: int, size: DataSize) -> Any:
    return _calibrated(by_features.svc(seed, size), size)


FEATURE_RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Recipe(
                f"logistic{by_features.SUFFIX}",
                "logistic regression on embeddings and their roots, each class of equal weight",
                by_features.logistic,
                by_features.LOGISTIC_RANGES,
                {"logistic__solver": "lbfgs"},
                grid=by_features.LOGISTIC_GRID,
                turns=True,
            ),
            Recipe(
                f"svc{by_features.SUFFIX}",
                "support vector machine on embeddings of length 1",
                _svc_of_features,
                by_features.SVC_RANGES,
                {"method": "sigmoid"},
                grid=by_features.SVC_GRID,
            ),
            Recipe(
                f"knn{by_features.SUFFIX}",
                "nearest neighbors by the angle between embeddings",
                by_features.knn,
                by_features.KNN_RANGES,
                {"knn__weights": "uniform"},
                grid=by_features.KNN_GRID,
                turns=True,
            ),
            Recipe(
                f"lda{by_features.SUFFIX}",
                "linear discriminant analysis of embeddings, with a shrunk covariance",
                by_features.lda,
                by_features.LDA_RANGES,
                {"solver": "lsqr"},
                grid=by_features.LDA_GRID,
            ),
        )
    }
)
"""For embeddings: what ``python -m train --features`` takes for a name without the suffix."""


def for_features(name: str) -> str:
    """The recipe's name for embeddings: those of pixels that have no other are used as they are."""
    own = f"{name}{by_features.SUFFIX}"
    return own if own in FEATURE_RECIPES else name
