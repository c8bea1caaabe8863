"""Which classifiers are written here, and what each of them outputs."""

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
from models.offline.graphs.neighbors import is_plain, neighbor_probabilities
from models.offline.graphs.nodes import Nodes
from models.offline.graphs.unwrapped import Unwrapped

_LOGISTIC = frozenset({LinearDiscriminantAnalysis, LogisticRegression, LogisticRegressionCV})


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


def probabilities(nodes: Nodes, unwrapped: Unwrapped) -> str | None:
    """float32 [N, C]: the same as predict_proba; None if the classifier is not supported."""
    affine, estimator = unwrapped
    kind = type(estimator)
    if kind in _LOGISTIC or (kind is SGDClassifier and estimator.loss == "log_loss"):
        return linear_probabilities(nodes, estimator, affine)
    if kind is MLPClassifier:
        return perceptron_probabilities(nodes, estimator, affine)
    if kind is KNeighborsClassifier and is_plain(estimator):
        return neighbor_probabilities(nodes, estimator, affine)
    return None
