"""Linear classifiers and multi-layer perceptrons: one Gemm per layer, with scalers folded in."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
)
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from models.offline.graphs.affine import Affine, dense
from models.offline.graphs.nodes import Nodes

LINEAR = frozenset(
    {
        LinearDiscriminantAnalysis,
        LinearSVC,
        LogisticRegression,
        LogisticRegressionCV,
        Perceptron,
        RidgeClassifier,
        RidgeClassifierCV,
        SGDClassifier,
    }
)

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "logistic": "Sigmoid", "identity": None}


@dataclass(frozen=True)
class Rescale:
    """``d * scale + shift`` of a decision function d, to fold into its last product.

    ``scale``, ``shift``: float64 [C]. A binary decision function is one column [N, 1], which
    vectors of two elements turn into two columns.
    """

    scale: NDArray[np.float64]
    shift: NDArray[np.float64]

    @classmethod
    def plain(cls, n_classes: int) -> "Rescale":
        """The decision function unchanged; the columns [-d, d] of a binary one."""
        scale = np.array([-1.0, 1.0]) if n_classes == 2 else np.ones(n_classes)
        return cls(scale, np.zeros(n_classes))


def linear_decision(nodes: Nodes, estimator: Any, affine: Affine, rescale: Rescale) -> str:
    """float32 [N, C]: the rescaled decision function."""
    weights = dense(estimator.coef_).reshape(-1, affine.offset.size).T * rescale.scale
    intercept = np.ravel(np.asarray(estimator.intercept_, dtype=np.float64))
    bias = intercept * rescale.scale + rescale.shift
    return _gemm(nodes, affine.source(nodes), *affine.fold(weights, bias))


def linear_probabilities(nodes: Nodes, estimator: Any, affine: Affine) -> str:
    """float32 [N, C] of a linear classifier with logistic probabilities.

    SGDClassifier is one-vs-rest, normalized; the others are multinomial.
    """
    n_classes = len(estimator.classes_)
    rescale = Rescale.plain(n_classes)
    if n_classes > 2 and type(estimator) is SGDClassifier:
        negated = Rescale(-rescale.scale, rescale.shift)
        return normalized_sigmoids(
            nodes,
            linear_decision(nodes, estimator, affine, negated),
            # Trained on float32, it predicts in float32.
            np.result_type(estimator.coef_, np.float32),
        )
    decision = linear_decision(nodes, estimator, affine, rescale)
    if n_classes == 2:
        return nodes.add("Sigmoid", decision)
    return nodes.add("Softmax", decision, axis=1)


def normalized_sigmoids(nodes: Nodes, negated: str, dtype: DTypeLike = np.float64) -> str:
    """``sigmoid(-u)`` divided by its sum over each row, for u [N, C].

    With logarithms, since far from the training data every sigmoid may be too small for float32:
    log sigmoid(-u) = -softplus(u), and a softmax normalizes logarithms. Where exp(u) overflows,
    scikit-learn's sigmoid in ``dtype`` is zero, and if all are zero it gives equal probabilities:
    hence every such u is replaced by the same large one.
    """
    overflow = nodes.constant(np.log(np.finfo(np.dtype(dtype)).max))
    bounded = nodes.add("Where", nodes.add("Less", negated, overflow), negated, nodes.constant(1e4))
    return nodes.add("Softmax", nodes.add("Neg", nodes.add("Softplus", bounded)), axis=1)


def perceptron_probabilities(nodes: Nodes, estimator: MLPClassifier, affine: Affine) -> str:
    """float32 [N, C] of a multi-layer perceptron."""
    weights = [dense(coefs) for coefs in estimator.coefs_]
    biases = [dense(intercepts) for intercepts in estimator.intercepts_]
    binary = estimator.out_activation_ == "logistic"
    if binary:
        weights[-1], biases[-1] = weights[-1] * [-1, 1], biases[-1] * [-1, 1]
    weights[0], biases[0] = affine.fold(weights[0], biases[0])
    value = affine.source(nodes)
    activation = _ACTIVATIONS[estimator.activation]
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        value = _gemm(nodes, value, weight, bias)
        if activation and layer < len(weights) - 1:
            value = nodes.add(activation, value)
    return nodes.add("Sigmoid", value) if binary else nodes.add("Softmax", value, axis=1)


def _gemm(nodes: Nodes, value: str, weights: NDArray[np.float64], bias: NDArray[np.float64]) -> str:
    return nodes.add("Gemm", value, nodes.constant(weights), nodes.constant(bias))
