"""What a composite classifier asks of its members, whatever these are."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.offline.graphs.affine import Affine
from models.offline.graphs.linear import Rescale
from models.offline.graphs.nodes import Nodes, Outputs


class Ask(NamedTuple):
    """Of a fitted member and the features it gets; each gives None if the member has no graph.

    ``answer``: as the member itself would be served. ``probabilities``: float32 [N, C].
    ``exactly``: the same in float64, computed so where that matters most.
    ``decision``: float32 [N, C], rescaled; of two classes [-d, d].
    """

    answer: Callable[[Nodes, Any, Affine], Outputs | None]
    probabilities: Callable[[Nodes, Any, Affine], str | None]
    exactly: Callable[[Nodes, Any, Affine], str | None]
    decision: Callable[[Nodes, Any, Affine, Rescale], str | None]


def label(nodes: Nodes, outputs: Outputs) -> str:
    """int64 [N]: the index of the predicted class."""
    return outputs.label or nodes.add("ArgMax", outputs.scores, axis=1, keepdims=0)


def placed(nodes: Nodes, value: str, classes: NDArray[Any], n_classes: int) -> str | None:
    """float32 [N, n_classes] of a member that knows the classes of these indices."""
    if np.array_equal(classes, np.arange(n_classes)):
        return value
    if not np.issubdtype(classes.dtype, np.integer):
        return None
    return nodes.add("MatMul", value, nodes.constant(np.eye(n_classes)[classes]))


def rescaled(nodes: Nodes, value: str, rescale: Rescale) -> str:
    """A decision or probabilities [N, C], rescaled: of two classes, the second column."""
    weights = np.diag(rescale.scale)
    if len(rescale.scale) == 2:
        weights = np.vstack([np.zeros(2), rescale.scale])
    return nodes.add("Gemm", value, nodes.constant(weights), nodes.constant(rescale.shift))


def binary(nodes: Nodes, ask: Ask, member: Any, affine: Affine) -> str | None:
    """float32 [N, 1]: what scikit-learn compares of a binary member: its decision function, or
    else the second class's probability."""
    if hasattr(member, "decision_function"):
        value = ask.decision(nodes, member, affine, Rescale.plain(2))
    elif hasattr(member, "predict_proba"):
        value = ask.probabilities(nodes, member, affine)
    else:
        return None
    return value and nodes.columns(value, [1])
