"""Support vector classifiers as matrix products.

In float64, as in scikit-learn: a one-vs-one decision near zero votes for one class or the other,
and float32 sums over the digits' 571 support vectors were wrong by up to 1e-5 when measured, which
among the 180,000 decisions of a parity check probably changes a vote. All products have the
constant matrix on the left: ONNX Runtime packs a float64 matrix on the right at every call, which
for a batch of one costs more than the product.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.offline.graphs.affine import Affine, dense
from models.offline.graphs.linear import Rescale
from models.offline.graphs.nodes import Nodes

KERNELS = frozenset({"linear", "poly", "rbf", "sigmoid"})

Array = NDArray[np.float64]


class Votes(NamedTuple):
    """``scores``: float32 [N, C], the rescaled decision function; ``label``: int64 [N], the class
    with most votes, if requested."""

    scores: str
    label: str | None


def svc_decision(
    nodes: Nodes, svc: Any, affine: Affine, rescale: Rescale, *, vote: bool = False
) -> Votes:
    """The decision function of a fitted SVC or NuSVC in its one-vs-rest form.

    For more than two classes it is ``votes + s / (3 * (|s| + 1))``, where s is the sum of a class's
    one-vs-one decisions (scikit-learn's ``_ovr_decision_function``). ``vote`` adds libsvm's label,
    the first class with most votes, which does not always have the largest score.
    """
    n_classes = len(svc.classes_)
    if n_classes == 2:
        coef = dense(svc.dual_coef_).T * rescale.scale
        intercept = svc.intercept_ * rescale.scale + rescale.shift
        decision = _decisions(nodes, svc, affine, coef, intercept)
        return Votes(nodes.cast(nodes.add("Transpose", decision, perm=[1, 0]), "float"), None)

    coef, pairs = _one_vs_one(svc)
    # An additional decision that is always 1 carries the constant part of the votes.
    decision = _decisions(
        nodes,
        svc,
        affine,
        np.hstack([coef, np.zeros((coef.shape[0], 1))]),
        np.append(svc.intercept_, 1.0),
    )
    signs = nodes.cast(nodes.add("Sign", decision), "float")
    unvoted = np.vstack([pairs, np.zeros(n_classes)])
    sums = nodes.add("Gemm", decision, nodes.constant(unvoted, np.float64), transA=1)
    confidence = nodes.add(
        "Mul",
        nodes.add("Softsign", nodes.cast(sums, "float")),
        nodes.constant(rescale.scale / 3),
    )
    # A sign is 1 or -1, so the votes are half their sum plus half the number of other classes.
    votes = np.vstack([pairs / 2, np.full(n_classes, (n_classes - 1) / 2)])
    scaled = votes * rescale.scale
    scaled[-1] += rescale.shift
    scores = nodes.add("Gemm", signs, nodes.constant(scaled), confidence, transA=1)
    if not vote:
        return Votes(scores, None)
    counted = nodes.add("Gemm", signs, nodes.constant(votes), transA=1)
    return Votes(scores, nodes.add("ArgMax", counted, axis=1, keepdims=0))


def _decisions(nodes: Nodes, svc: Any, affine: Affine, coef: Array, intercept: Array) -> str:
    """float64 [P, N]: ``coef.T @ kernel + intercept``, with coef [V, P] and V support vectors."""
    vectors = dense(svc.support_vectors_)
    features = nodes.cast(affine.source(nodes), "double")
    if svc.kernel == "linear":
        weights, bias = affine.fold(vectors.T @ coef, intercept)
        return _left(nodes, weights.T, features, bias, transB=1)
    if svc.kernel == "rbf":
        kernel = _rbf(nodes, features, vectors, svc._gamma, affine)
    else:
        weights, bias = affine.fold(svc._gamma * vectors.T, np.full(len(vectors), float(svc.coef0)))
        product = _left(nodes, weights.T, features, bias, transB=1)
        if svc.kernel == "poly":
            kernel = nodes.add("Pow", product, nodes.constant(svc.degree, np.float64))
        else:
            kernel = nodes.add("Tanh", product)
    return _left(nodes, coef.T, kernel, intercept)


def _rbf(nodes: Nodes, features: str, vectors: Array, gamma: float, affine: Affine) -> str:
    """float64 [V, N]: exp(-gamma * |z - v|²), as |z|² + |v|² - 2 v.z around the vectors' mean."""
    mean = vectors.mean(axis=0)
    centered = vectors - mean
    squares = -gamma * (centered**2).sum(axis=1)
    if affine.projects:
        points = _left(nodes, affine.factor.T, features, affine.offset - mean, transB=1)
        product = _left(nodes, 2 * gamma * centered, points, squares)
        weights, flags = np.full((1, len(mean)), gamma), {}
    else:
        # The scaler is folded in, its factors into the products and its offset into the mean.
        origin = (mean - affine.offset) / affine.factor
        points = nodes.add("Sub", features, nodes.constant(origin, np.float64))
        product = _left(nodes, 2 * gamma * centered * affine.factor, points, squares, transB=1)
        weights, flags = gamma * affine.factor[None, :] ** 2, {"transB": 1}
    lengths = nodes.add(
        "Gemm",
        nodes.constant(weights, np.float64),
        nodes.add("Mul", points, points),
        **flags,
    )
    return nodes.add("Exp", nodes.add("Sub", product, lengths))


def _left(nodes: Nodes, matrix: Array, value: str, bias: Array, **flags: int) -> str:
    """``matrix @ value + bias`` with ``bias`` [rows]."""
    return nodes.add(
        "Gemm",
        nodes.constant(matrix, np.float64),
        value,
        nodes.constant(bias[:, None], np.float64),
        **flags,
    )


def _one_vs_one(svc: Any) -> tuple[Array, Array]:
    """Coefficients [V, P] of the P one-vs-one decisions, and the two classes of each.

    ``dual_coef_`` has a support vector's coefficients against each other class (scikit-learn's user
    guide, 1.4.1.1). The second array, [P, C], is 1 for the class that a positive decision votes for
    and -1 for the other.
    """
    dual = dense(svc.dual_coef_)
    ends = np.cumsum(svc.n_support_)
    own = [slice(end - size, end) for end, size in zip(ends, svc.n_support_, strict=True)]
    n_classes = len(own)
    first, second = np.triu_indices(n_classes, k=1)
    coef = np.zeros((dual.shape[1], len(first)))
    pairs = np.zeros((len(first), n_classes))
    for pair, (i, j) in enumerate(zip(first, second, strict=True)):
        coef[own[i], pair] = dual[j - 1, own[i]]
        coef[own[j], pair] = dual[i, own[j]]
        pairs[pair, i], pairs[pair, j] = 1, -1
    return coef, pairs
