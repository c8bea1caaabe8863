"""What a classifier is wrapped in: searches, frozen estimators, pipelines.

Only scikit-learn is imported: a server that runs an estimator itself needs this, and no ONNX.
"""

from typing import Any

from sklearn.pipeline import Pipeline


def innermost(estimator: Any) -> Any:
    """The classifier at the end of all searches, frozen estimators and pipelines."""
    found = inner(estimator)
    if type(found) is Pipeline:
        found = found.steps[-1][1]
    return found if found is estimator else innermost(found)


def inner(estimator: Any) -> Any:
    """What answers for a search or a frozen estimator; the others themselves."""
    if hasattr(estimator, "best_estimator_"):
        return estimator.best_estimator_
    # Not imported: scikit-learn before 1.6 does not have it.
    if (type(estimator).__module__, type(estimator).__name__) == (
        "sklearn.frozen._frozen",
        "FrozenEstimator",
    ):
        return estimator.estimator
    return estimator
