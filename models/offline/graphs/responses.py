"""Which classifiers are written here, and what each answers."""

from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC, NuSVC

from models.offline.graphs.kernel import KERNELS, svc_decision
from models.offline.graphs.linear import (
    LINEAR,
    Rescale,
    linear_decision,
    linear_probabilities,
    perceptron_probabilities,
)
from models.offline.graphs.neighbours import is_plain, neighbour_probabilities
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.unwrapped import Unwrapped

_LOGISTIC = frozenset({LinearDiscriminantAnalysis, LogisticRegression, LogisticRegressionCV})


def is_svc(peeled: Unwrapped) -> bool:
    estimator = peeled.estimator
    known = type(estimator) in {SVC, NuSVC} and not callable(estimator.kernel)
    return bool(known and estimator.kernel in KERNELS)


def decision(nodes: Nodes, peeled: Unwrapped, rescale: Rescale) -> str | None:
    """float32 [N, C]: the rescaled decision function as scikit-learn gives it."""
    affine, estimator = peeled
    if type(estimator) in LINEAR:
        return linear_decision(nodes, estimator, affine, rescale)
    if is_svc(peeled) and (
        estimator.decision_function_shape == "ovr" or len(estimator.classes_) == 2
    ):
        return svc_decision(nodes, estimator, affine, rescale).scores
    return None


def probabilities(nodes: Nodes, peeled: Unwrapped) -> str | None:
    """float32 [N, C]: what predict_proba gives."""
    affine, estimator = peeled
    kind = type(estimator)
    if kind in _LOGISTIC or (kind is SGDClassifier and estimator.loss == "log_loss"):
        return linear_probabilities(nodes, estimator, affine)
    if kind is MLPClassifier:
        return perceptron_probabilities(nodes, estimator, affine)
    if kind is KNeighborsClassifier and is_plain(estimator):
        return neighbour_probabilities(nodes, estimator, affine)
    return None
