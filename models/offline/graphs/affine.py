"""Scalers and projections as one affine map, to fold into the weights that follow."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from models.offline.graphs.nodes import INPUT, Nodes

Array = NDArray[np.float64]

SELECTORS = frozenset(
    {
        GenericUnivariateSelect,
        RFE,
        RFECV,
        SelectFdr,
        SelectFpr,
        SelectFromModel,
        SelectFwe,
        SelectKBest,
        SelectPercentile,
        SequentialFeatureSelector,
        VarianceThreshold,
    }
)


@dataclass(frozen=True)
class Affine:
    """``z = x * factor + offset``, or ``z = x @ factor + offset`` where ``factor`` is a matrix.

    In float64, so that only the folded weights are rounded to float32. ``factor``: [F] or [F, D];
    ``offset``: [F] or [D]. ``columns``: int64 [F], the features that x consists of; None for all.
    ``origin``: the tensor that has these features, float32 [N, ...]. ``steps``: the transformers
    that the map stands for, for those who need their very numbers: see ``steps``.
    """

    factor: Array
    offset: Array
    columns: NDArray[np.int64] | None = None
    origin: str = INPUT
    steps: tuple[Any, ...] = ()

    @classmethod
    def identity(cls, n_features: int, origin: str = INPUT) -> Self:
        return cls(np.ones(n_features), np.zeros(n_features), origin=origin)

    @property
    def width(self) -> int:
        """The number of features that come out."""
        return len(self.offset)

    @property
    def projects(self) -> bool:
        return self.factor.ndim == 2

    def fold(self, weights: Array, bias: Array) -> tuple[Array, Array]:
        """W [F, K] and b [K] with ``x @ W + b == z @ weights + bias``."""
        folded = self.factor @ weights if self.projects else self.factor[:, None] * weights
        return folded, self.offset @ weights + bias

    def then(self, after: "Affine") -> "Affine":
        if after.projects:
            factor, offset = self.fold(after.factor, after.offset)
        else:
            factor = self.factor * after.factor
            offset = self.offset * after.factor + after.offset
        return replace(self, factor=factor, offset=offset)

    def select(self, indices: NDArray[np.int64]) -> "Affine":
        """The map to some of the outputs."""
        if self.projects:
            return replace(self, factor=self.factor[:, indices], offset=self.offset[indices])
        columns = indices if self.columns is None else self.columns[indices]
        return replace(
            self, factor=self.factor[indices], offset=self.offset[indices], columns=columns
        )

    def source(self, nodes: Nodes) -> str:
        """x, float32 [N, F]: the graph's input, or some of its columns."""
        if self.columns is None:
            return self.origin
        return nodes.columns(self.origin, self.columns)


def after(affine: Affine, transformer: Any) -> Affine | None:
    """``affine`` followed by a fitted transformer; None if its type is not supported.

    Only exact types are: a subclass may do something else.
    """
    steps = (*affine.steps, transformer)
    if type(transformer) in SELECTORS:
        return replace(affine.select(transformer.get_support(indices=True)), steps=steps)
    second = _map_of(transformer)
    return second and replace(affine.then(second), steps=steps)


def _map_of(transformer: Any) -> Affine | None:
    kind = type(transformer)
    if kind is StandardScaler or kind is RobustScaler:
        center = center_of(transformer)
        return _centered(center, transformer.scale_, transformer.n_features_in_)
    if kind is MinMaxScaler and not transformer.clip:
        return Affine(dense(transformer.scale_), dense(transformer.min_))
    if kind is MaxAbsScaler and not getattr(transformer, "clip", False):
        return _centered(None, transformer.scale_, transformer.n_features_in_)
    if kind is TruncatedSVD or kind is PCA:
        return projection_of(transformer)
    return None


def center_of(scaler: Any) -> Any:
    """What a fitted scaler subtracts; None if nothing."""
    if type(scaler) is StandardScaler:
        # A StandardScaler without it has a mean all the same.
        return scaler.mean_ if scaler.with_mean else None
    return scaler.center_ if type(scaler) is RobustScaler else None


def projection_of(transformer: TruncatedSVD | PCA) -> Affine:
    """What a fitted projection does."""
    matrix = dense(transformer.components_).T
    if type(transformer) is TruncatedSVD:
        return Affine(matrix, np.zeros(matrix.shape[1]))
    if transformer.whiten:
        spread = np.sqrt(dense(transformer.explained_variance_))
        floor = np.finfo(transformer.explained_variance_.dtype).eps
        matrix = matrix / np.maximum(spread, floor)
    return Affine(matrix, -dense(transformer.mean_) @ matrix)


def _centered(center: Any, scale: Any, n_features: int) -> Affine:
    factor = np.ones(n_features) if scale is None else 1 / dense(scale)
    offset = np.zeros(n_features) if center is None else -dense(center) * factor
    return Affine(factor, offset)


def dense(values: Any) -> Array:
    """A fitted attribute as a float64 array; scikit-learn may keep it sparse."""
    plain: Any = values.toarray() if hasattr(values, "toarray") else values
    return np.asarray(plain, dtype=np.float64)
