"""The graph of a classifier, written by hand where that is faster or more right."""

from typing import Any

from sklearn.calibration import CalibratedClassifierCV

from models.offline.graphs.affine import Affine
from models.offline.graphs.calibrated import calibrated_probabilities
from models.offline.graphs.kernel import svc_decision
from models.offline.graphs.linear import Rescale
from models.offline.graphs.nodes import Answer, Nodes
from models.offline.graphs.responses import decision, is_svc, probabilities
from models.offline.graphs.unwrapped import Unwrapped, unwrap


def write(estimator: Any, n_features: int, nodes: Nodes) -> Answer | None:
    """Add the classifier's nodes; None if it, or a step before it, is not known here."""
    peeled = unwrap(estimator, Affine.identity(n_features))
    if peeled is None:
        return None
    if type(peeled.estimator) is CalibratedClassifierCV:
        shares = calibrated_probabilities(nodes, peeled.estimator, peeled)
    elif hasattr(estimator, "predict_proba"):
        shares = probabilities(nodes, peeled)
    else:
        return _scores(nodes, peeled)
    return None if shares is None else Answer("probabilities", shares)


def _scores(nodes: Nodes, peeled: Unwrapped) -> Answer | None:
    rescale = Rescale.plain(len(peeled.estimator.classes_))
    if is_svc(peeled):
        votes = svc_decision(
            nodes,
            peeled.estimator,
            peeled.affine,
            rescale,
            vote=not peeled.estimator.break_ties,
        )
        return Answer("scores", votes.scores, votes.label)
    scores = decision(nodes, peeled, rescale)
    return None if scores is None else Answer("scores", scores)


def write_vote(estimator: Any, n_features: int, nodes: Nodes) -> str | None:
    """Of an SVC that gives probabilities: libsvm's voted label, which is not their maximum."""
    peeled = unwrap(estimator, Affine.identity(n_features))
    if peeled is None or not is_svc(peeled):
        return None
    answer = _scores(nodes, peeled)
    if answer is None:
        return None
    return answer.label or nodes.add("ArgMax", answer.scores, axis=1, keepdims=0)
