"""k nearest neighbors with one matrix product."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from models.offline.graphs.affine import Affine
from models.offline.graphs.nodes import Nodes

_EUCLIDEAN = frozenset({"euclidean", "l2", "sqeuclidean"})


def is_plain(estimator: KNeighborsClassifier) -> bool:
    """Whether it has uniform weights and Euclidean distance, which is all that is supported."""
    euclidean = estimator.metric in _EUCLIDEAN or (
        estimator.metric == "minkowski" and estimator.p == 2 and not estimator.metric_params
    )
    return bool(euclidean and estimator.weights == "uniform")


def neighbor_probabilities(nodes: Nodes, estimator: KNeighborsClassifier, affine: Affine) -> str:
    """float32 [N, C]: each class's proportion of the k nearest points.

    The nearest training points t have the largest ``2 z.t - |t|²``, since |z|² is the same for all.
    Both are relative to the mean of t, which keeps the numbers small.
    """
    points = np.asarray(estimator._fit_X, dtype=np.float64)
    mean = points.mean(axis=0)
    centered = points - mean
    squares = -(centered**2).sum(axis=1)
    value, weights = affine.source(nodes), 2 * centered.T
    if affine.projects:
        value = nodes.add(
            "Gemm", value, nodes.constant(affine.factor), nodes.constant(affine.offset - mean)
        )
    else:
        origin = (mean - affine.offset) / affine.factor
        value = nodes.add("Sub", value, nodes.constant(origin))
        weights = affine.factor[:, None] * weights
    closeness = nodes.add("Gemm", value, nodes.constant(weights), nodes.constant(squares))
    nearest = nodes.add(
        "TopK", closeness, nodes.constant([estimator.n_neighbors], np.int64), outputs=2, sorted=0
    )
    ballots = np.eye(len(estimator.classes_))[estimator._y] / estimator.n_neighbors
    return nodes.add(
        "ReduceSum",
        nodes.add("Gather", nodes.constant(ballots), nearest, axis=0),
        nodes.constant([1], np.int64),
        keepdims=0,
    )
