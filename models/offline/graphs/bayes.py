"""Naive Bayes in float64, or in float32 where scikit-learn computes so.

GaussianNB adds in the order of NumPy: the variance of a pixel that is constant within a class is a
billionth, so the terms are as large as 1e11, and their rounding decides between two classes. The
stock conversion, in float32, is wrong there.
"""

from typing import Any

import numpy as np
from sklearn.naive_bayes import ComplementNB, GaussianNB, MultinomialNB

from models.offline.graphs.affine import Affine
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.steps import exact

BAYES = frozenset({ComplementNB, GaussianNB, MultinomialNB})

# NumPy adds up to 128 numbers in eight sums, and halves what is longer (numpy/_core/src/umath/
# loops_utils.h.src, pairwise_sum).
_BLOCK, _SUMS = 128, 8


def bayes_probabilities(nodes: Nodes, estimator: Any, affine: Affine) -> str:
    """float64 [N, C]."""
    if type(estimator) is GaussianNB:
        likelihoods = _gaussian(nodes, estimator, exact(nodes, affine))
    else:
        features = nodes.cast(exact(nodes, affine), "double")
        weights = np.asarray(estimator.feature_log_prob_, np.float64)
        prior = np.asarray(estimator.class_log_prior_, np.float64)
        if type(estimator) is ComplementNB:
            prior = np.zeros(len(prior))
        product = nodes.add(
            "Gemm",
            nodes.constant(weights, np.float64),
            features,
            nodes.constant(prior[:, None], np.float64),
            transB=1,
        )
        likelihoods = nodes.add("Transpose", product, perm=[1, 0])
    # Not a softmax: the sum of two large numbers is rounded, too.
    axis = nodes.constant([1], np.int64)
    largest = nodes.add("ReduceMax", likelihoods, axis, keepdims=1)
    shares = nodes.add("Exp", nodes.add("Sub", likelihoods, largest))
    total = nodes.add("Log", nodes.add("ReduceSum", shares, axis, keepdims=1))
    logarithm = nodes.add("Sub", likelihoods, nodes.add("Add", total, largest))
    return nodes.cast(nodes.add("Exp", logarithm), "double")


def _gaussian(nodes: Nodes, estimator: GaussianNB, features: str) -> str:
    columns = []
    dtype = np.result_type(estimator.theta_, np.float32)
    features = nodes.cast(features, "double" if dtype == np.float64 else "float")
    half = nodes.constant(0.5, dtype)
    for prior, mean, variance in zip(
        estimator.class_prior_, estimator.theta_, estimator.var_, strict=True
    ):
        away = nodes.add("Sub", features, nodes.constant(mean, dtype))
        square = nodes.add("Mul", away, away)
        terms = nodes.add("Div", square, nodes.constant(variance, dtype))
        total = nodes.add("Mul", half, _sum(nodes, terms, 0, len(mean)))
        normal = nodes.constant(-0.5 * np.sum(np.log(2.0 * np.pi * variance)), dtype)
        likelihood = nodes.add("Sub", normal, total)
        columns.append(nodes.add("Add", nodes.constant(np.log(prior), dtype), likelihood))
    return nodes.add("Concat", *columns, axis=1)


def _sum(nodes: Nodes, terms: str, start: int, count: int) -> str:
    """float64 [N, 1]: columns ``start`` to ``start + count``, added as NumPy adds them."""
    if count > _BLOCK:
        half = count // 2
        half -= half % _SUMS
        first = _sum(nodes, terms, start, half)
        return nodes.add("Add", first, _sum(nodes, terms, start + half, count - half))
    whole = count - count % _SUMS
    total = ""
    if whole:
        sums = _columns(nodes, terms, start, _SUMS)
        for place in range(start + _SUMS, start + whole, _SUMS):
            sums = nodes.add("Add", sums, _columns(nodes, terms, place, _SUMS))
        for width in (4, 2, 1):
            left = nodes.columns(sums, np.arange(width) * 2)
            right = nodes.columns(sums, np.arange(width) * 2 + 1)
            sums = nodes.add("Add", left, right)
        total = sums
    for place in range(start + whole, start + count):
        column = _columns(nodes, terms, place, 1)
        total = nodes.add("Add", total, column) if total else column
    return total


def _columns(nodes: Nodes, value: str, start: int, width: int) -> str:
    bounds = (nodes.constant([start], np.int64), nodes.constant([start + width], np.int64))
    return nodes.add("Slice", value, *bounds, nodes.constant([1], np.int64))
