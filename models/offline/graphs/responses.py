"""What each classifier answers: those written here, those of several, and skl2onnx's."""

from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC, NuSVC

from models.offline.boosters import library_of
from models.offline.graphs.affine import Affine
from models.offline.graphs.asking import Ask, label, rescaled
from models.offline.graphs.bayes import BAYES, bayes_probabilities
from models.offline.graphs.binary import SCHEMES, rest_decision, scheme
from models.offline.graphs.boosters import booster_decision, booster_probabilities
from models.offline.graphs.calibrated import calibrated_probabilities
from models.offline.graphs.ensembles import ENSEMBLES, ensemble, stack
from models.offline.graphs.kernel import KERNELS, svc_decision
from models.offline.graphs.linear import (
    LINEAR,
    Rescale,
    linear_decision,
    linear_probabilities,
    perceptron_probabilities,
)
from models.offline.graphs.neighbors import is_written, neighbor_probabilities
from models.offline.graphs.nodes import Nodes, Outputs
from models.offline.graphs.steps import exact
from models.offline.graphs.stock import stock
from models.offline.graphs.unwrapped import Unwrapped, unwrap

_LOGISTIC = frozenset({LinearDiscriminantAnalysis, LogisticRegression, LogisticRegressionCV})


def answer(nodes: Nodes, estimator: Any, affine: Affine) -> Outputs | None:
    """Probabilities if it has them, or else scores; None if a step before it has no graph.

    Raises ConversionError for a classifier that has none.
    """
    unwrapped = unwrap(nodes, estimator, affine)
    if unwrapped is None:
        return None
    affine, inner = unwrapped
    kind = type(inner)
    if kind in ENSEMBLES:
        return ensemble(nodes, inner, affine, ASK)
    if kind in SCHEMES:
        return scheme(nodes, inner, affine, ASK)
    if not hasattr(inner, "predict_proba"):
        return _scores(nodes, unwrapped)
    value = _written(nodes, unwrapped)
    if value is not None:
        return Outputs("probabilities", value)
    found = stock(nodes, inner, affine.width, exact(nodes, affine))
    return found._replace(label=_vote(nodes, unwrapped))


def _probabilities(nodes: Nodes, estimator: Any, affine: Affine) -> str | None:
    found = answer(nodes, estimator, affine)
    return found.scores if found is not None and found.kind == "probabilities" else None


def _exactly(nodes: Nodes, estimator: Any, affine: Affine) -> str | None:
    unwrapped = unwrap(nodes, estimator, affine)
    if unwrapped is not None and type(unwrapped.estimator) in BAYES:
        return bayes_probabilities(nodes, unwrapped.estimator, unwrapped.affine)
    value = _probabilities(nodes, estimator, affine)
    return value and nodes.cast(value, "double")


def _decision(nodes: Nodes, estimator: Any, affine: Affine, rescale: Rescale) -> str | None:
    unwrapped = unwrap(nodes, estimator, affine)
    if unwrapped is None:
        return None
    affine, inner = unwrapped
    if type(inner) is StackingClassifier:
        stacked = stack(nodes, inner, affine, ASK)
        if stacked is None:
            return None
        return _decision(nodes, inner.final_estimator_, stacked, rescale)
    if type(inner) is OneVsRestClassifier:
        value = rest_decision(nodes, inner, affine, ASK)
        return value and rescaled(nodes, value, rescale)
    if type(inner) in ENSEMBLES | SCHEMES:
        return None
    value = decision(nodes, unwrapped, rescale)
    if value is not None:
        return value
    if library_of(inner) is not None:
        value = booster_decision(nodes, inner, exact(nodes, affine))
        return value and rescaled(nodes, value, rescale)
    if is_svc(unwrapped):
        return None
    found = stock(nodes, inner, affine.width, exact(nodes, affine), raw=True)
    return rescaled(nodes, found.scores, rescale)


ASK = Ask(answer, _probabilities, _exactly, _decision)


def _scores(nodes: Nodes, unwrapped: Unwrapped) -> Outputs:
    affine, estimator = unwrapped
    rescale = Rescale.plain(len(estimator.classes_))
    if is_svc(unwrapped):
        votes = svc_decision(nodes, estimator, affine, rescale, vote=not estimator.break_ties)
        return Outputs("scores", votes.scores, votes.label)
    scores = decision(nodes, unwrapped, rescale)
    if scores is not None:
        return Outputs("scores", scores)
    return stock(nodes, estimator, affine.width, exact(nodes, affine))


def _vote(nodes: Nodes, unwrapped: Unwrapped) -> str | None:
    """libsvm's voted label of an SVC with probabilities, which is not always their maximum."""
    if not is_svc(unwrapped):
        return None
    return label(nodes, _scores(nodes, unwrapped))


def is_svc(unwrapped: Unwrapped) -> bool:
    estimator = unwrapped.estimator
    named_kernel = type(estimator) in {SVC, NuSVC} and not callable(estimator.kernel)
    return bool(named_kernel and estimator.kernel in KERNELS)


def decision(nodes: Nodes, unwrapped: Unwrapped, rescale: Rescale) -> str | None:
    """float32 [N, C]: the rescaled decision function; None if the classifier is not supported."""
    affine, estimator = unwrapped
    if type(estimator) in LINEAR:
        return linear_decision(nodes, estimator, affine, rescale)
    if is_svc(unwrapped) and (
        estimator.decision_function_shape == "ovr" or len(estimator.classes_) == 2
    ):
        return svc_decision(nodes, estimator, affine, rescale).scores
    return None


def _written(nodes: Nodes, unwrapped: Unwrapped) -> str | None:
    """float32 [N, C]: the same as predict_proba; None if the classifier is not written here."""
    affine, estimator = unwrapped
    kind = type(estimator)
    if kind in _LOGISTIC or (kind is SGDClassifier and estimator.loss == "log_loss"):
        return linear_probabilities(nodes, estimator, affine)
    if library_of(estimator) is not None:
        return booster_probabilities(nodes, estimator, exact(nodes, affine))
    if kind is CalibratedClassifierCV:
        return calibrated_probabilities(nodes, estimator, affine, ASK)
    if kind in BAYES:
        return nodes.cast(bayes_probabilities(nodes, estimator, affine), "float")
    if kind is MLPClassifier:
        return perceptron_probabilities(nodes, estimator, affine)
    if kind is KNeighborsClassifier and is_written(estimator):
        return neighbor_probabilities(nodes, estimator, affine)
    return None
