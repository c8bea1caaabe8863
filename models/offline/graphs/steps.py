"""Transformers with the very numbers that scikit-learn gives for float32 features.

Folded into the weights that follow, a scaler is as accurate, and faster. But a tree that follows
compares with its thresholds, and one bit decides on which side a feature is: so the same operations
in the same precision, as scikit-learn has them in ``sklearn.preprocessing``.
"""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    StandardScaler,
)

from models.offline.graphs.affine import SELECTORS, Affine, after, center_of, projection_of
from models.offline.graphs.functions import apply
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.stock import stock_transformer

_PASSED = ("passthrough", None)


def step(nodes: Nodes, affine: Affine, transformer: Any) -> Affine | None:
    """``affine`` followed by any transformer; None if it has no graph."""
    if isinstance(transformer, str | None):
        return affine if transformer in _PASSED else None
    while hasattr(transformer, "best_estimator_"):
        transformer = transformer.best_estimator_
    if type(transformer) is Pipeline:
        found: Affine | None = affine
        for _, part in transformer.steps:
            found = found and step(nodes, found, part)
        return found
    folded = after(affine, transformer)
    if folded is not None:
        return folded
    value = _single(nodes, exact(nodes, affine), affine.width, transformer)
    if value is None:
        return None
    name, width = value
    return Affine.identity(width, name)


def exact(nodes: Nodes, affine: Affine) -> str:
    """float32 [N, D]: what comes out of the map, as scikit-learn computes it step by step."""
    value = affine.origin
    for transformer in affine.steps:
        if type(transformer) in SELECTORS:
            chosen = transformer.get_support(indices=True)
            value = nodes.columns(value, chosen)
        elif type(transformer) in {PCA, TruncatedSVD}:
            value = _projected(nodes, value, transformer)
        else:
            value = _scaled(nodes, value, transformer)
    return value


def _scaled(nodes: Nodes, value: str, scaler: Any) -> str:
    kind = type(scaler)
    if kind is MinMaxScaler:
        changes = [("Mul", scaler.scale_), ("Add", scaler.min_)]
    else:
        changes = [("Sub", center_of(scaler)), ("Div", scaler.scale_)]
    for name, number in changes:
        if number is None:
            continue
        if kind is StandardScaler:  # It rounds its own numbers first.
            value = nodes.add(name, value, nodes.constant(number))
        else:
            double = nodes.add(
                name, nodes.cast(value, "double"), nodes.constant(number, np.float64)
            )
            value = nodes.cast(double, "float")
    return value


def _projected(nodes: Nodes, value: str, projection: Any) -> str:
    found = projection_of(projection)
    offset = nodes.constant(found.offset[:, None], np.float64)
    matrix = nodes.constant(found.factor.T, np.float64)
    product = nodes.add("Gemm", matrix, nodes.cast(value, "double"), offset, transB=1)
    return nodes.cast(nodes.add("Transpose", product, perm=[1, 0]), "float")


def _single(nodes: Nodes, value: str, width: int, transformer: Any) -> tuple[str, int] | None:
    """The tensor after a transformer that is not affine, and its number of columns."""
    kind = type(transformer)
    if kind is ColumnTransformer:
        return _columns(nodes, value, transformer)
    if kind is FeatureUnion:
        return _union(nodes, value, width, transformer)
    if kind is FunctionTransformer:
        applied = apply(nodes, value, transformer)
        return None if applied is None else (applied, width)
    if kind in {MinMaxScaler, MaxAbsScaler} and transformer.clip:
        low, high = getattr(transformer, "feature_range", (-1.0, 1.0))
        scaled = _scaled(nodes, value, transformer)
        bounds = (nodes.constant(low), nodes.constant(high))
        return nodes.add("Clip", scaled, *bounds), width
    return stock_transformer(nodes, value, width, transformer)


def _columns(nodes: Nodes, value: str, whole: ColumnTransformer) -> tuple[str, int] | None:
    parts: list[tuple[str, int]] = []
    width = int(whole.n_features_in_)
    for name, transformer, columns in whole.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        indices = np.arange(width)[_positions(whole, name, columns)]
        if not len(indices):
            continue
        chosen = nodes.columns(value, indices)
        part = _part(nodes, chosen, len(indices), transformer)
        if part is None:
            return None
        weight = (whole.transformer_weights or {}).get(name)
        parts.append(part if weight is None else (_weighted(nodes, part[0], weight), part[1]))
    return _joined(nodes, parts)


def _positions(whole: ColumnTransformer, name: str, columns: Any) -> Any:
    known = getattr(whole, "_transformer_to_input_indices", {})
    return known.get(name, columns)


def _union(nodes: Nodes, value: str, width: int, union: FeatureUnion) -> tuple[str, int] | None:
    parts: list[tuple[str, int]] = []
    for name, transformer in union.transformer_list:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        part = _part(nodes, value, width, transformer)
        if part is None:
            return None
        weight = (union.transformer_weights or {}).get(name)
        parts.append(part if weight is None else (_weighted(nodes, part[0], weight), part[1]))
    return _joined(nodes, parts)


def _part(nodes: Nodes, value: str, width: int, transformer: Any) -> tuple[str, int] | None:
    found = step(nodes, Affine.identity(width, value), transformer)
    return None if found is None else (exact(nodes, found), found.width)


def _weighted(nodes: Nodes, value: str, weight: float) -> str:
    double = nodes.add("Mul", nodes.cast(value, "double"), nodes.constant(weight, np.float64))
    return nodes.cast(double, "float")


def _joined(nodes: Nodes, parts: list[tuple[str, int]]) -> tuple[str, int] | None:
    if not parts:
        return None
    names, widths = zip(*parts, strict=True)
    joined = names[0] if len(names) == 1 else nodes.add("Concat", *names, axis=1)
    return joined, sum(widths)
