"""A classifier without its wrappers: searches, frozen estimators, pipelines."""

from typing import Any, NamedTuple

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from models.offline.graphs.affine import Affine, after


class Unwrapped(NamedTuple):
    """The inner classifier, and the affine map that its features go through first."""

    affine: Affine
    estimator: Any


def unwrap(estimator: Any, affine: Affine) -> Unwrapped | None:
    """The classifier inside of ``estimator``; None if a step before it is not affine."""
    kind = type(estimator)
    if hasattr(estimator, "best_estimator_"):
        return unwrap(estimator.best_estimator_, affine)
    if kind is FrozenEstimator:
        return unwrap(estimator.estimator, affine)
    if kind is not Pipeline:
        return Unwrapped(affine, estimator)
    for _, step in estimator.steps[:-1]:
        if step is None or step == "passthrough":
            continue
        composed = after(affine, step)
        if composed is None:
            return None
        affine = composed
    return unwrap(estimator.steps[-1][1], affine)
