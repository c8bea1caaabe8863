"""A sum of trees as one operator."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from models.offline.graphs.nodes import Nodes

_COLUMNS: Final = (
    *("featureids", "values", "modes", "truenodeids", "falsenodeids", "treeids", "nodeids"),
    "missing_value_tracks_true",
)


class Splits:
    """Trees of two branches at each node, whose leaves are added up.

    ``width``: how many sums. ``mode``: how a feature is compared with a threshold.
    """

    def __init__(self, width: int, mode: Literal["BRANCH_LT", "BRANCH_LEQ", "BRANCH_GT"]) -> None:
        self.width = width
        self._mode = mode
        self._tree = -1
        columns = ("ids", "weights", "treeids", "nodeids")
        self._targets: dict[str, Any] = {f"target_{column}": [] for column in columns}
        self._nodes: dict[str, Any] = {f"nodes_{column}": [] for column in _COLUMNS}

    def begin(self) -> None:
        """A tree; its nodes follow, the root first, and their numbers are its own."""
        self._tree += 1

    def split(
        self, number: int, feature: int, threshold: float, yes: int, no: int, *, missing: bool
    ) -> None:
        """``yes`` and ``no``: the nodes that follow; ``missing``: whether NaN goes to ``yes``."""
        self._append(number, self._mode, feature, threshold, yes, no, missing)

    def leaf(self, number: int, values: Mapping[int, float]) -> None:
        self._append(number, "LEAF", 0, 0.0, 0, 0, False)
        for target, weight in values.items():
            self._targets["target_ids"].append(target)
            self._targets["target_weights"].append(float(weight))
            self._targets["target_treeids"].append(self._tree)
            self._targets["target_nodeids"].append(number)

    def add_to(self, nodes: Nodes, value: str, base: ArrayLike) -> str:
        """float32 [N, ``width``]: ``base`` and the leaves that float32 [N, F] features reach."""
        offset = nodes.constant(base)
        if self._tree < 0:
            zeros = nodes.constant(np.zeros((1, self.width)))
            first = nodes.columns(value, [0])
            nothing = nodes.add("Mul", first, nodes.constant(0.0))
            return nodes.add("Sum", nothing, zeros, offset)
        found = nodes.add(
            "TreeEnsembleRegressor",
            value,
            domain="ai.onnx.ml",
            n_targets=self.width,
            aggregate_function="SUM",
            **self._nodes,
            **self._targets,
        )
        return nodes.add("Add", found, offset)

    def _append(
        self, number: int, mode: str, feature: int, value: float, yes: int, no: int, missing: bool
    ) -> None:
        row = (int(feature), float(value), mode, yes, no, self._tree, number, int(missing))
        for column, item in zip(self._nodes.values(), row, strict=True):
            column.append(item)


def below(threshold: float) -> float:
    """The largest float32 number that is not above a float64 one."""
    rounded = np.float32(threshold)
    if float(rounded) > threshold:
        rounded = np.nextafter(rounded, np.float32(-np.inf))
    return float(rounded)
