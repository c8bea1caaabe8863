"""A classifier without its wrappers: searches, frozen estimators, pipelines."""

from typing import Any, NamedTuple

from sklearn.pipeline import Pipeline

from models.offline.graphs.affine import Affine
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.steps import step


class Unwrapped(NamedTuple):
    """The inner classifier, and the affine map that its features go through first."""

    affine: Affine
    estimator: Any


def unwrap(nodes: Nodes, estimator: Any, affine: Affine) -> Unwrapped | None:
    """The classifier inside of ``estimator``; None if a step before it has no graph.

    Steps that are not affine are added to ``nodes``, and the map begins after them.
    """
    while (inner := _inner(estimator)) is not estimator:
        estimator = inner
    if type(estimator) is not Pipeline:
        return Unwrapped(affine, estimator)
    for _, part in estimator.steps[:-1]:
        found = step(nodes, affine, part)
        if found is None:
            return None
        affine = found
    return unwrap(nodes, estimator.steps[-1][1], affine)


def innermost(estimator: Any) -> Any:
    """The classifier at the end of all searches, frozen estimators and pipelines."""
    inner = _inner(estimator)
    if type(inner) is Pipeline:
        inner = inner.steps[-1][1]
    return inner if inner is estimator else innermost(inner)


def _inner(estimator: Any) -> Any:
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
