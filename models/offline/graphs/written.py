"""The graph of a classifier, written by hand where that is faster or more accurate."""

from typing import Any

from sklearn.calibration import CalibratedClassifierCV

from models.offline.graphs.affine import Affine
from models.offline.graphs.calibrated import calibrated_probabilities
from models.offline.graphs.kernel import svc_decision
from models.offline.graphs.linear import Rescale
from models.offline.graphs.nodes import Nodes, Outputs
from models.offline.graphs.responses import decision, is_svc, probabilities
from models.offline.graphs.unwrapped import Unwrapped, unwrap


def write(estimator: Any, n_features: int, nodes: Nodes) -> Outputs | None:
    """Add the classifier's nodes; None if it, or a step before it, is not supported."""
    unwrapped = unwrap(estimator, Affine.identity(n_features))
    if unwrapped is None:
        return None
    if type(unwrapped.estimator) is CalibratedClassifierCV:
        output = calibrated_probabilities(nodes, unwrapped.estimator, unwrapped)
    elif hasattr(estimator, "predict_proba"):
        output = probabilities(nodes, unwrapped)
    else:
        return _scores(nodes, unwrapped)
    return None if output is None else Outputs("probabilities", output)


def _scores(nodes: Nodes, unwrapped: Unwrapped) -> Outputs | None:
    rescale = Rescale.plain(len(unwrapped.estimator.classes_))
    if is_svc(unwrapped):
        votes = svc_decision(
            nodes,
            unwrapped.estimator,
            unwrapped.affine,
            rescale,
            vote=not unwrapped.estimator.break_ties,
        )
        return Outputs("scores", votes.scores, votes.label)
    scores = decision(nodes, unwrapped, rescale)
    return None if scores is None else Outputs("scores", scores)


def write_vote(estimator: Any, n_features: int, nodes: Nodes) -> str | None:
    """libsvm's voted label of an SVC with probabilities, which is not always their maximum."""
    unwrapped = unwrap(estimator, Affine.identity(n_features))
    if unwrapped is None or not is_svc(unwrapped):
        return None
    outputs = _scores(nodes, unwrapped)
    if outputs is None:
        return None
    return outputs.label or nodes.add("ArgMax", outputs.scores, axis=1, keepdims=0)
