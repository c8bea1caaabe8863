"""A graph that differs from its estimator is refused, with the difference."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from errors import ParityError
from images.spec import ImageSpec
from models.manifest import Speed
from models.offline import parity
from models.offline.conversion import Graph, convert
from models.runtime import OnnxRuntime

SPEC = ImageSpec.parse("digits")
DIGITS = load_digits()
PIXELS = np.rint(DIGITS.data / 16 * 255).astype(np.uint8)
X = SPEC.features(PIXELS[:500])
Y = DIGITS.target[:500]
UNSEEN = SPEC.features(parity.variants(PIXELS[1500:1560], SPEC, seed=0))


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Two threads on a busy machine wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def logistic() -> LogisticRegression:
    return LogisticRegression(C=0.01, max_iter=2000).fit(X, Y)


def altered(graph: Graph, index: int, change: Any) -> Graph:
    model = onnx.load_model_from_string(graph.model)
    constant = model.graph.initializer[index]
    values = change(numpy_helper.to_array(constant).copy())
    constant.CopyFrom(numpy_helper.from_array(values.astype(np.float32), constant.name))
    return Graph(model.SerializeToString(), graph.output, graph.origin)


def swap_first_two(values: NDArray[Any]) -> NDArray[Any]:
    values[:, [0, 1]] = values[:, [1, 0]]
    return values


def test_a_right_graph_is_described(logistic: LogisticRegression) -> None:
    found = parity.check(logistic, convert(logistic, 64), UNSEEN)
    assert found.images == len(UNSEEN)
    assert found.disagreements == 0
    assert found.max_difference <= found.tolerance == 1e-4
    assert found.max_batch_difference <= 1e-6
    assert found.operators == ("Gemm", "Softmax")


def test_exchanged_classes_fail(logistic: LogisticRegression) -> None:
    graph = altered(convert(logistic, 64), 0, swap_first_two)
    with pytest.raises(ParityError, match=r"another label than scikit-learn for \d+ of 420 images"):
        parity.check(logistic, graph, UNSEEN)


def test_a_slight_change_of_probabilities_fails(logistic: LogisticRegression) -> None:
    graph = altered(convert(logistic, 64), 1, lambda bias: bias + np.eye(10)[3] * 2e-3)
    with pytest.raises(
        ParityError, match=r"differs from scikit-learn by up to 0\.000\d+ in a prob"
    ):
        parity.check(logistic, graph, UNSEEN)


def test_numbers_that_are_none_fail(logistic: LogisticRegression) -> None:
    graph = altered(convert(logistic, 64), 1, lambda bias: bias * np.nan)
    with pytest.raises(ParityError):
        parity.check(logistic, graph, UNSEEN)


def test_a_class_too_few_fails(logistic: LogisticRegression) -> None:
    nine = LogisticRegression(C=0.01, max_iter=2000).fit(X[Y < 9], Y[Y < 9])
    with pytest.raises(ParityError, match="gives 10 probabilities for an image, but its graph 9"):
        parity.check(logistic, convert(nine, 64), UNSEEN)


def mixed_by_batch(graph: Graph) -> Graph:
    """Each image's scores with a little of the mean over the batch."""
    model = onnx.load_model_from_string(graph.model)
    model.graph.node[-1].output[0] = "own"
    for name, values in {"axes": np.array([0]), "share": np.full(1, 1e-2, np.float32)}.items():
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    model.graph.node.extend(
        [
            onnx.helper.make_node("ReduceMean", ["own", "axes"], ["mean"]),
            onnx.helper.make_node("Mul", ["mean", "share"], ["part"]),
            onnx.helper.make_node("Add", ["own", "part"], ["scores"]),
        ]
    )
    return Graph(model.SerializeToString(), graph.output, graph.origin)


class Echo:
    """A classifier that answers whole batches as the graph does, so that only their size tells."""

    def __init__(self, graph: Graph) -> None:
        self.classes_ = np.arange(10)
        self._runtime = OnnxRuntime(graph.model)

    def decision_function(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._runtime.run(features).scores

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        return self._runtime.run(features).indices


def test_an_answer_that_depends_on_the_batch_fails() -> None:
    right = convert(RidgeClassifier().fit(X, Y), 64)
    assert parity.check(Echo(right), right, UNSEEN).max_difference == 0
    mixed = mixed_by_batch(right)
    with pytest.raises(ParityError, match="an image alone and in a batch"):
        parity.check(Echo(mixed), mixed, UNSEEN)


def test_scores_are_compared_by_their_scale() -> None:
    estimator = SGDClassifier(random_state=0).fit(X, Y)
    scale = np.abs(estimator.decision_function(UNSEEN)).max()
    assert scale > 1000
    graph = convert(estimator, 64)
    slight = altered(graph, 1, lambda bias: bias + np.eye(10)[3] * scale * 5e-5)
    assert parity.check(estimator, slight, UNSEEN).max_difference == pytest.approx(5e-5, rel=0.1)
    larger = altered(graph, 1, lambda bias: bias + np.eye(10)[3] * scale * 2e-4)
    with pytest.raises(ParityError, match=r"in a score|another label"):
        parity.check(estimator, larger, UNSEEN)


def test_variants_begin_with_the_images_and_differ_from_them() -> None:
    pixels = PIXELS[:10]
    found = parity.variants(pixels, SPEC, seed=0)
    assert found.dtype == np.uint8
    assert found.shape == (70, 64)
    copies = found.reshape(7, 10, 64)
    assert (copies[0] == pixels).all()
    assert all((copy != pixels).any(axis=1).all() for copy in copies[1:])


def test_a_right_angle_loses_nothing() -> None:
    found = parity.variants(PIXELS[:3], SPEC, seed=0).reshape(7, 3, 8, 8)
    assert (found[4] == np.rot90(found[0], 1, axes=(1, 2))).all()


def test_variants_are_the_same_for_the_same_seed() -> None:
    first, again, other = (parity.variants(PIXELS[:5], SPEC, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("name", ["gray-5x3", "rgb-4x6"])
def test_variants_keep_the_shape_of_any_image(name: str) -> None:
    spec = ImageSpec.parse(name)
    pixels = np.arange(2 * spec.n_features, dtype=np.uint8).reshape(2, -1)
    assert parity.variants(pixels, spec, seed=0).shape == (14, spec.n_features)


class Instant:
    """A classifier that is faster than any graph, since it computes nothing."""

    classes_ = np.arange(10)

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return features


class Repeating(Instant):
    """A classifier that is slower than any graph, since it computes everything ten times."""

    def __init__(self, svc: SVC) -> None:
        self._svc = svc

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        repeated = [self._svc.decision_function(features) for _ in range(10)]
        return np.asarray(repeated[0], dtype=np.float32)


def test_speed_is_scikit_learns_time_over_the_graphs() -> None:
    svc = SVC().fit(X, Y)
    measured = parity.speed(Repeating(svc), convert(svc, 64), UNSEEN)
    assert min(measured.batch_1, measured.batch_32, measured.batch_128) > 1
    assert measured.warning is None


def test_a_slower_graph_is_recorded_and_not_refused() -> None:
    graph = convert(SVC().fit(X, Y), 64)
    measured = parity.speed(Instant(), graph, UNSEEN)
    assert 0 < measured.batch_1 < 1
    assert "slower than scikit-learn" in str(measured.warning)


def test_the_warning_names_the_slower_batches() -> None:
    warning = str(Speed(batch_1=2.0, batch_32=0.5, batch_128=0.25).warning)
    assert (
        "(0.50 times as fast for a batch of 32, 0.25 times as fast for a batch of 128)" in warning
    )
    assert warning.endswith(".")
