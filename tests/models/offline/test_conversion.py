"""The contract of a graph, and what has none."""

from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import KernelPCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from errors import ConversionError
from models.graph import ALLOWED_OPERATORS, Contents
from models.offline.conversion import Graph, convert
from models.runtime import OnnxRuntime

DIGITS = load_digits()
X = DIGITS.data[:300].astype(np.float32)
Y = DIGITS.target[:300]
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


def shape(value: Any) -> list[Any]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def signature(graph: Graph) -> dict[str, list[Any]]:
    described = onnx.load_model_from_string(graph.model).graph
    return {value.name: shape(value) for value in [*described.input, *described.output]}


@pytest.mark.parametrize("estimator", [LogisticRegression(max_iter=2000), GaussianNB()])
def test_probabilities_are_one_output_of_any_number_of_images(estimator: Any) -> None:
    graph = convert(estimator.fit(X, Y), 64)
    assert graph.output == "probabilities"
    assert signature(graph) == {"features": ["N", 64], "probabilities": ["N", 10]}


def test_scores_of_two_classes_are_two_columns() -> None:
    two = Y < 2
    estimator = RidgeClassifier().fit(X[two], Y[two])
    graph = convert(estimator, 64)
    assert (graph.output, graph.origin) == ("scores", "written")
    scores = OnnxRuntime(graph.model).run(X[:5]).scores
    expected = estimator.decision_function(X[:5])
    np.testing.assert_allclose(scores, np.stack([-expected, expected], axis=1), atol=1e-5)


def test_a_vote_is_a_second_output() -> None:
    graph = convert(SVC().fit(X, Y), 64)
    assert signature(graph) == {"features": ["N", 64], "scores": ["N", 10], "label_index": ["N"]}


@pytest.mark.parametrize(
    "estimator", [SVC(), RandomForestClassifier(5, random_state=0), LogisticRegression()]
)
def test_the_same_estimator_gives_the_same_bytes(estimator: Any) -> None:
    two = Y < 2
    estimator.fit(X[two], Y[two])
    assert convert(estimator, 64) == convert(estimator, 64)


def test_labels_leave_the_graph_alone() -> None:
    numbers = RandomForestClassifier(5, random_state=0).fit(X, Y)
    ordered = NAMES[np.argsort(NAMES)]
    strings = RandomForestClassifier(5, random_state=0).fit(X, ordered[Y])
    assert convert(numbers, 64).model == convert(strings, 64).model


@pytest.mark.parametrize("estimator", [SVC(), RandomForestClassifier(3), GaussianNB()])
def test_only_allowed_operators_of_a_pinned_opset(estimator: Any) -> None:
    graph = convert(estimator.fit(X, Y), 64)
    model = onnx.load_model_from_string(graph.model)
    assert set(Contents.of(graph.model).operators) <= ALLOWED_OPERATORS
    assert model.ir_version == 8
    assert {opset.domain: opset.version for opset in model.opset_import}.items() <= {
        "": 18,
        "ai.onnx.ml": 3,
    }.items()


@pytest.mark.parametrize(
    ("estimator", "targets", "sentence"),
    [
        (GaussianNB(), Y > 4, "labels are of type bool"),
        (GaussianNB(), Y * 0, "has a single class"),
        (RandomForestClassifier(3), np.stack([Y, Y], axis=1), "several outputs"),
        (RidgeClassifier(), np.eye(10)[Y], "several outputs"),
        (KMeans(2, n_init=1), Y, "not a fitted classifier"),
        (DummyClassifier(), Y, "no ONNX conversion"),
        (SVC(kernel=np.dot), Y, "only with the kernels"),
        (KNeighborsClassifier(metric="cosine"), Y, "a distance of Minkowski's family"),
    ],
)
def test_what_has_no_graph_is_refused_in_one_sentence(
    estimator: Any, targets: Any, sentence: str
) -> None:
    if callable(getattr(estimator, "kernel", None)):
        estimator.set_params(kernel=lambda a, b: a @ b.T)
    estimator.fit(X, targets)
    with pytest.raises(ConversionError, match=sentence) as caught:
        convert(estimator, 64)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_an_estimator_of_other_images_is_refused() -> None:
    estimator = make_pipeline(StandardScaler(), GaussianNB()).fit(X[:, :49], Y)
    with pytest.raises(
        ConversionError, match="trained on 49 features, but the image spec gives 64"
    ):
        convert(estimator, 64)


def test_an_unfitted_estimator_is_refused() -> None:
    with pytest.raises(ConversionError, match="not a fitted classifier"):
        convert(LogisticRegression(), 64)


def test_a_graph_with_a_loop_is_refused() -> None:
    estimator = make_pipeline(KernelPCA(4, kernel="rbf"), LogisticRegression()).fit(X, Y)
    with pytest.raises(ConversionError, match="operator Scan, which is not allowed"):
        convert(estimator, 64)
