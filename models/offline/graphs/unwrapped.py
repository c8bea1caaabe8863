"""A classifier without its wrappers: searches, frozen estimators, pipelines."""

from typing import Any, NamedTuple

from sklearn.pipeline import Pipeline

from models.offline.graphs.affine import Affine
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.steps import step
from models.offline.wrappers import inner


class Unwrapped(NamedTuple):
    """The inner classifier, and the affine map that its features go through first."""

    affine: Affine
    estimator: Any


def unwrap(nodes: Nodes, estimator: Any, affine: Affine) -> Unwrapped | None:
    """The classifier inside of ``estimator``; None if a step before it has no graph.

    Steps that are not affine are added to ``nodes``, and the map begins after them.
    """
    while (found := inner(estimator)) is not estimator:
        estimator = found
    if type(estimator) is not Pipeline:
        return Unwrapped(affine, estimator)
    for _, part in estimator.steps[:-1]:
        after = step(nodes, affine, part)
        if after is None:
            return None
        affine = after
    return unwrap(nodes, estimator.steps[-1][1], affine)
