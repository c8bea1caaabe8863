"""k nearest neighbors, by one matrix product where the distance is Euclidean."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from models.offline.graphs.affine import Affine
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.steps import exact

_EUCLIDEAN = frozenset({"euclidean", "l2", "sqeuclidean"})
_MANHATTAN = frozenset({"manhattan", "cityblock", "l1"})

# Of training points times features: each is an operand of its own. 60,000 small digits take a
# second an image, which is what scikit-learn takes.
_MAX_NUMBERS = 4_000_000


def is_euclidean(estimator: Any) -> bool:
    return bool(
        estimator.metric in _EUCLIDEAN
        or (estimator.metric == "minkowski" and estimator.p == 2 and not estimator.metric_params)
    )


def is_written(estimator: KNeighborsClassifier) -> bool:
    """Whether it has a graph here: named weights, and a distance that is a sum or a maximum."""
    if estimator.weights not in {"uniform", "distance"} or _targets(estimator) is None:
        return False
    if is_euclidean(estimator):
        return True
    size = int(np.size(estimator._fit_X))
    return _power(estimator) is not None and size <= _MAX_NUMBERS


def neighbor_probabilities(nodes: Nodes, estimator: KNeighborsClassifier, affine: Affine) -> str:
    """float32 [N, C]: each class's part of the k nearest points, by number or closeness."""
    points = np.asarray(estimator._fit_X, dtype=np.float64)
    if is_euclidean(estimator) and estimator.weights == "uniform":
        nearest = _nearest(nodes, estimator, _closeness(nodes, points, affine, np.float32))
        return _shares(nodes, estimator, nearest)
    features = nodes.cast(exact(nodes, affine), "double")
    if is_euclidean(estimator):
        plain = Affine.identity(points.shape[1], features)
        nearest = _nearest(nodes, estimator, _closeness(nodes, points, plain, np.float64))
        # [N, k, F]: of the nearest the distance is computed again, since a product loses zeros.
        chosen = nodes.add("Gather", nodes.constant(points, np.float64), nearest, axis=0)
        one = nodes.add("Unsqueeze", features, nodes.constant([1], np.int64))
        away = nodes.add("Sub", chosen, one)
        last = nodes.constant([2], np.int64)
        squares = nodes.add("ReduceSum", nodes.add("Mul", away, away), last, keepdims=0)
        squared = estimator.metric == "sqeuclidean"
        near = squares if squared else nodes.add("Sqrt", squares)
        return _weighted(nodes, estimator, nearest, near)
    distances = _distances(nodes, points, features, _power(estimator) or 1.0)
    closeness = nodes.add("Neg", distances)
    nearest = _nearest(nodes, estimator, closeness)
    if estimator.weights == "uniform":
        return _shares(nodes, estimator, nearest)
    near = nodes.add("GatherElements", distances, nearest, axis=1)
    return _weighted(nodes, estimator, nearest, near)


def _targets(estimator: Any) -> NDArray[Any] | None:
    targets = np.asarray(estimator._y)
    return targets if targets.ndim == 1 else None


def _power(estimator: Any) -> float | None:
    """p of the Minkowski distance; None if the distance is another one."""
    if estimator.metric in _MANHATTAN:
        return 1.0
    if estimator.metric == "chebyshev":
        return float("inf")
    if estimator.metric in {"minkowski", "p"} and not estimator.metric_params:
        return float(estimator.p)
    return None


def _closeness(nodes: Nodes, points: NDArray[np.float64], affine: Affine, dtype: Any) -> str:
    """[N, T], larger for nearer points.

    The nearest training points t have the largest ``2 z.t - |t|²``, since |z|² is the same for all.
    Both are relative to the mean of t, which keeps the numbers small.
    """
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
        value = nodes.add("Sub", value, nodes.constant(origin, dtype))
        weights = affine.factor[:, None] * weights
    return nodes.add("Gemm", value, nodes.constant(weights, dtype), nodes.constant(squares, dtype))


def _distances(nodes: Nodes, points: NDArray[np.float64], features: str, power: float) -> str:
    """float64 [N, T]: added pixel by pixel, so that equal images are at a distance of zero."""
    total = ""
    for place, numbers in enumerate(points.T):
        pixel = nodes.columns(features, [place])
        away = nodes.add("Abs", nodes.add("Sub", pixel, nodes.constant(numbers, np.float64)))
        if power not in {1.0, float("inf")}:
            away = nodes.add("Pow", away, nodes.constant(power, np.float64))
        added = "Max" if power == float("inf") else "Add"
        total = nodes.add(added, total, away) if total else away
    if power in {1.0, float("inf")}:
        return total
    return nodes.add("Pow", total, nodes.constant(1 / power, np.float64))


def _nearest(nodes: Nodes, estimator: Any, closeness: str) -> str:
    """int64 [N, k]."""
    count = nodes.constant([estimator.n_neighbors], np.int64)
    return nodes.add("TopK", closeness, count, outputs=2, sorted=0)


def _ballots(estimator: Any) -> NDArray[np.float64]:
    return np.asarray(np.eye(len(estimator.classes_))[estimator._y])


def _shares(nodes: Nodes, estimator: Any, nearest: str) -> str:
    ballots = nodes.constant(_ballots(estimator) / estimator.n_neighbors)
    chosen = nodes.add("Gather", ballots, nearest, axis=0)
    return nodes.add("ReduceSum", chosen, nodes.constant([1], np.int64), keepdims=0)


def _weighted(nodes: Nodes, estimator: Any, nearest: str, distances: str) -> str:
    """By the inverse of their distance; points at a distance of zero are alone in it."""
    one, zero = nodes.constant(1.0, np.float64), nodes.constant(0.0, np.float64)
    axis = nodes.constant([1], np.int64)
    same = nodes.add("Equal", distances, zero)
    same_number = nodes.cast(same, "double")
    any_same = nodes.add("Greater", nodes.add("ReduceMax", same_number, axis, keepdims=1), zero)
    inverse = nodes.add("Div", one, nodes.add("Where", same, one, distances))
    weights = nodes.add("Where", any_same, same_number, inverse)
    ballots = nodes.add("Gather", nodes.constant(_ballots(estimator), np.float64), nearest, axis=0)
    last = nodes.add("Unsqueeze", weights, nodes.constant([2], np.int64))
    sums = nodes.add("ReduceSum", nodes.add("Mul", ballots, last), axis, keepdims=0)
    total = nodes.add("ReduceSum", weights, axis, keepdims=1)
    return nodes.cast(nodes.add("Div", sums, total), "float")
