"""A classifier without what is wrapped around it."""

from typing import Any, NamedTuple

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from models.offline.graphs.affine import Affine, after


class Unwrapped(NamedTuple):
    """The classifier proper, and what its features go through before."""

    affine: Affine
    estimator: Any


def unwrap(estimator: Any, affine: Affine) -> Unwrapped | None:
    """Take searches, frozen wrappers and pipelines away; None if a step is not affine."""
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
        found = after(affine, step)
        if found is None:
            return None
        affine = found
    return unwrap(estimator.steps[-1][1], affine)
