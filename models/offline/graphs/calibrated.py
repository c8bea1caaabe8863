"""CalibratedClassifierCV with sigmoid or temperature, over a decision function written here."""

from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV

from models.offline.graphs.linear import Rescale, normalized_sigmoids
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.responses import decision, probabilities
from models.offline.graphs.unwrapped import Unwrapped, unwrap

# scikit-learn adds this to a probability before it takes the logarithm.
_TINY = 1e-12


def calibrated_probabilities(
    nodes: Nodes, estimator: CalibratedClassifierCV, outer: Unwrapped
) -> str | None:
    """float32 [N, C]: the mean over the calibrated classifiers; None if one is not supported."""
    members = [
        _member(nodes, member, estimator, outer) for member in estimator.calibrated_classifiers_
    ]
    supported = [member for member in members if member is not None]
    if len(supported) < len(members):
        return None
    return supported[0] if len(supported) == 1 else nodes.add("Mean", *supported)


def _member(
    nodes: Nodes, member: Any, whole: CalibratedClassifierCV, outer: Unwrapped
) -> str | None:
    base = unwrap(member.estimator, outer.affine)
    n_classes = len(whole.classes_)
    # For string labels, temperature scaling fits its classifiers on the indices of the labels.
    orders = [whole.classes_, np.arange(n_classes)]
    if base is None or not any(
        np.array_equal(member.estimator.classes_, order) for order in orders
    ):
        return None
    if member.method == "sigmoid":
        slope = np.array([calibrator.a_ for calibrator in member.calibrators], dtype=np.float64)
        shift = np.array([calibrator.b_ for calibrator in member.calibrators], dtype=np.float64)
        if n_classes == 2:  # p = sigmoid(-(a d + b)) of the second class, 1 - p of the first
            sign = np.array([1.0, -1.0])
            value = _rescaled(nodes, base, Rescale(slope * sign, shift * sign), n_classes)
            return value and nodes.add("Sigmoid", value)
        value = _rescaled(nodes, base, Rescale(slope, shift), n_classes)
        return value and normalized_sigmoids(nodes, value)
    if member.method == "temperature":
        value = _tempered(nodes, base, float(member.calibrators[0].beta_), n_classes)
        return value and nodes.add("Softmax", value, axis=1)
    return None


def _tempered(nodes: Nodes, base: Unwrapped, beta: float, n_classes: int) -> str | None:
    if hasattr(base.estimator, "decision_function"):
        plain = Rescale.plain(n_classes)
        return decision(nodes, base, Rescale(plain.scale * beta, plain.shift))
    value = probabilities(nodes, base)
    if value is None:
        return None
    logarithm = nodes.add("Log", nodes.add("Add", value, nodes.constant(_TINY)))
    return nodes.add("Mul", logarithm, nodes.constant(beta))


def _rescaled(nodes: Nodes, base: Unwrapped, rescale: Rescale, n_classes: int) -> str | None:
    """What scikit-learn calibrates: the decision function, or else the probabilities."""
    if hasattr(base.estimator, "decision_function"):
        return decision(nodes, base, rescale)
    value = probabilities(nodes, base)
    if value is None:
        return None
    weights = np.diag(rescale.scale)
    if n_classes == 2:
        weights = np.vstack([np.zeros(2), rescale.scale])
    return nodes.add("Gemm", value, nodes.constant(weights), nodes.constant(rescale.shift))
