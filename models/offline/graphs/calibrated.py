"""CalibratedClassifierCV over any classifier."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV

from models.offline.graphs.affine import Affine
from models.offline.graphs.asking import Ask, rescaled
from models.offline.graphs.linear import Rescale, normalized_sigmoids
from models.offline.graphs.nodes import Nodes

# scikit-learn adds this to a probability before it takes the logarithm.
_TINY = 1e-12


def calibrated_probabilities(
    nodes: Nodes, estimator: CalibratedClassifierCV, affine: Affine, ask: Ask
) -> str | None:
    """float32 [N, C]: the mean over the calibrated classifiers; None if one has no graph."""
    members = [
        _member(nodes, member, estimator, affine, ask)
        for member in estimator.calibrated_classifiers_
    ]
    supported = [member for member in members if member is not None]
    if len(supported) < len(members):
        return None
    return supported[0] if len(supported) == 1 else nodes.add("Mean", *supported)


def _member(
    nodes: Nodes, member: Any, whole: CalibratedClassifierCV, affine: Affine, ask: Ask
) -> str | None:
    n_classes = len(whole.classes_)
    # For string labels, temperature scaling fits its classifiers on the indices of the labels.
    orders = [whole.classes_, np.arange(n_classes)]
    base = member.estimator
    if not any(np.array_equal(base.classes_, order) for order in orders):
        return None
    if member.method == "sigmoid":
        slope = np.array([calibrator.a_ for calibrator in member.calibrators], dtype=np.float64)
        shift = np.array([calibrator.b_ for calibrator in member.calibrators], dtype=np.float64)
        if n_classes == 2:  # p = sigmoid(-(a d + b)) of the second class, 1 - p of the first
            sign = np.array([1.0, -1.0])
            value = _rescaled(nodes, base, affine, ask, Rescale(slope * sign, shift * sign))
            return value and nodes.add("Sigmoid", value)
        value = _rescaled(nodes, base, affine, ask, Rescale(slope, shift))
        return value and normalized_sigmoids(nodes, value)
    if member.method == "temperature":
        value = _tempered(nodes, base, affine, ask, float(member.calibrators[0].beta_))
        return value and nodes.add("Softmax", value, axis=1)
    if member.method == "isotonic":
        found = _exact(nodes, base, affine, ask)
        return found and _isotonic(nodes, found, member.calibrators, n_classes)
    return None


def _tempered(nodes: Nodes, base: Any, affine: Affine, ask: Ask, beta: float) -> str | None:
    n_classes = len(base.classes_)
    if hasattr(base, "decision_function"):
        plain = Rescale.plain(n_classes)
        return ask.decision(nodes, base, affine, Rescale(plain.scale * beta, plain.shift))
    value = ask.probabilities(nodes, base, affine)
    if value is None:
        return None
    logarithm = nodes.add("Log", nodes.add("Add", value, nodes.constant(_TINY)))
    return nodes.add("Mul", logarithm, nodes.constant(beta))


def _rescaled(nodes: Nodes, base: Any, affine: Affine, ask: Ask, rescale: Rescale) -> str | None:
    """What scikit-learn calibrates: the decision function, or else the probabilities."""
    if hasattr(base, "decision_function"):
        return ask.decision(nodes, base, affine, rescale)
    value = ask.probabilities(nodes, base, affine)
    return value and rescaled(nodes, value, rescale)


def _exact(nodes: Nodes, base: Any, affine: Affine, ask: Ask) -> str | None:
    """float64 [N, C]: what an isotonic calibration gets; a step of it may be steep."""
    if not hasattr(base, "decision_function"):
        return ask.exactly(nodes, base, affine)
    value = ask.decision(nodes, base, affine, Rescale.plain(len(base.classes_)))
    return value and nodes.cast(value, "double")


def _isotonic(nodes: Nodes, value: str, calibrators: list[Any], n_classes: int) -> str:
    """float32 [N, C]: each class's step function, normalized as scikit-learn does."""
    shares = []
    for index, calibrator in enumerate(calibrators):
        place = 1 if n_classes == 2 else index
        shares.append(_interpolated(nodes, nodes.columns(value, [place]), calibrator))
    if n_classes == 2:
        share = nodes.cast(shares[0], "float")
        both = nodes.constant([[-1.0, 1.0]])
        return nodes.add("Gemm", share, both, nodes.constant([1.0, 0.0]))
    joined = nodes.add("Concat", *shares, axis=1)
    total = nodes.add("ReduceSum", joined, nodes.constant([1], np.int64), keepdims=1)
    none = nodes.add("Equal", total, nodes.constant(0.0, np.float64))
    one = nodes.constant(1.0, np.float64)
    divided = nodes.add("Div", joined, nodes.add("Where", none, one, total))
    equal = nodes.constant(np.full((1, n_classes), 1 / n_classes), np.float64)
    return nodes.cast(nodes.add("Where", none, equal, divided), "float")


def _interpolated(nodes: Nodes, value: str, calibrator: Any) -> str:
    """float64 [N, 1] of the same: y0, and of each segment as much of its rise as lies below x."""
    x = np.asarray(calibrator.X_thresholds_, np.float64)
    y: NDArray[np.float64] = np.asarray(calibrator.y_thresholds_, np.float64)
    if len(x) == 1:
        zeros = nodes.add("Mul", value, nodes.constant(0.0, np.float64))
        return nodes.add("Add", zeros, nodes.constant(y, np.float64))
    rises = np.diff(y)
    kept = rises > 0
    starts, lengths = x[:-1][kept], np.diff(x)[kept]
    if not kept.any():
        starts, lengths, rises, kept = x[:1], np.ones(1), np.zeros(1), np.ones(1, bool)
    part = nodes.add(
        "Div",
        nodes.add("Sub", value, nodes.constant(starts, np.float64)),
        nodes.constant(lengths, np.float64),
    )
    bounds = (nodes.constant(0.0, np.float64), nodes.constant(1.0, np.float64))
    within = nodes.add("Clip", part, *bounds)
    weights = nodes.constant(rises[kept][:, None], np.float64)
    return nodes.add("Gemm", within, weights, nodes.constant(y[:1], np.float64))
