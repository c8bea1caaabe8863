"""What an estimator itself answers: the scores that its graph is compared with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import VotingClassifier
from sklearn.multiclass import OutputCodeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.multiclass import _ovr_decision_function

from models.offline.wrappers import inner, innermost

Floats = NDArray[np.float64]

# Of two distances, relative to the larger, that may be the same.
_SAME_DISTANCE = 1e-9


def has_scores(estimator: Any) -> bool:
    """Whether it says more than a label."""
    return (
        hasattr(estimator, "predict_proba")
        or hasattr(estimator, "decision_function")
        or type(innermost(estimator)) in {OutputCodeClassifier, VotingClassifier}
    )


def scores(estimator: Any, features: NDArray[np.float32]) -> Floats:
    """float64 [N, C]: what the graph's first output should be, computed by scikit-learn.

    A hard vote's are the shares of its members' votes; those of an output code are larger for
    nearer codes.
    """
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(features), dtype=np.float64)
    classifier = innermost(estimator)
    if type(classifier) is VotingClassifier:
        return _votes(classifier, _before(estimator, features))
    if type(classifier) is OutputCodeClassifier:
        return _codes(classifier, _before(estimator, features))
    found = np.asarray(estimator.decision_function(features), dtype=np.float64)
    if found.ndim == 1:
        return np.stack([-found, found], axis=1)
    if getattr(classifier, "decision_function_shape", "") == "ovo":
        one_vs_rest = _ovr_decision_function(found < 0, -found, len(estimator.classes_))
        return np.asarray(one_vs_rest, dtype=np.float64)
    return found


def predicted(estimator: Any, features: NDArray[np.float32]) -> list[Any]:
    """The labels; CatBoost's predictions of many classes are a column."""
    found = np.asarray(estimator.predict(features))
    return list((found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found).tolist())


def undecided(estimator: Any, features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """bool [N]: images for which scikit-learn's own answer depends on the order of its points.

    Of two training images that are equally far, only one is among the k nearest: which of them,
    differs even between float32 and float64 features.
    """
    classifier = innermost(estimator)
    if type(classifier) is not KNeighborsClassifier or classifier.n_neighbors >= len(classifier._y):
        return np.zeros(len(features), dtype=bool)
    found, _ = classifier.kneighbors(_before(estimator, features), classifier.n_neighbors + 1)
    last, following = found[:, -2], found[:, -1]
    return np.asarray(following - last <= _SAME_DISTANCE * following)


def _before(estimator: Any, features: Any) -> Any:
    """What the innermost classifier gets."""
    while innermost(estimator) is not estimator:
        if type(estimator) is Pipeline:
            for _, part in estimator.steps[:-1]:
                if part is not None and part != "passthrough":
                    features = part.transform(features)
            estimator = estimator.steps[-1][1]
        else:
            estimator = inner(estimator)
    return features


def _votes(voting: VotingClassifier, features: Any) -> Floats:
    weights = voting._weights_not_none
    weights = np.ones(len(voting.estimators_)) if weights is None else np.asarray(weights, float)
    shares = np.zeros((len(features), len(voting.classes_)))
    for member, weight in zip(voting.estimators_, weights / weights.sum(), strict=True):
        shares[np.arange(len(features)), member.predict(features)] += weight
    return shares


def _codes(whole: OutputCodeClassifier, features: Any) -> Floats:
    said = np.stack(
        [
            np.ravel(one.decision_function(features))
            if hasattr(one, "decision_function")
            else one.predict_proba(features)[:, 1]
            for one in whole.estimators_
        ],
        axis=1,
    )
    codes = np.asarray(whole.code_book_, np.float64)
    return np.asarray(2 * said @ codes.T - (codes**2).sum(axis=1))
