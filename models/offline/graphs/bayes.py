"""GaussianNB in float64, one class after the other.

Expanded into matrix products, the terms of a pixel that is constant within a class, whose variance
is a billionth, cancel to nothing: the stock conversion is wrong there.
"""

import numpy as np
from sklearn.naive_bayes import GaussianNB

from models.offline.graphs.affine import Affine
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.steps import exact


def bayes_likelihoods(nodes: Nodes, estimator: GaussianNB, affine: Affine) -> str:
    """float64 [N, C]: the joint log likelihood of each class."""
    features = nodes.cast(exact(nodes, affine), "double")
    columns = []
    constants = np.log(estimator.class_prior_) - 0.5 * np.log(2 * np.pi * estimator.var_).sum(
        axis=1
    )
    for mean, variance, constant in zip(estimator.theta_, estimator.var_, constants, strict=True):
        away = nodes.add("Sub", features, nodes.constant(mean, np.float64))
        square = nodes.add("Mul", away, away)
        weights = nodes.constant(-0.5 / variance[:, None], np.float64)
        columns.append(nodes.add("Gemm", square, weights, nodes.constant([constant], np.float64)))
    return nodes.add("Concat", *columns, axis=1)


def bayes_probabilities(nodes: Nodes, estimator: GaussianNB, affine: Affine) -> str:
    """float32 [N, C]."""
    likelihoods = bayes_likelihoods(nodes, estimator, affine)
    return nodes.cast(nodes.add("Softmax", likelihoods, axis=1), "float")
