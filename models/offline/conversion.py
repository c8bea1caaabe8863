"""From a fitted scikit-learn classifier to the ONNX graph that the server runs."""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from errors import ConversionError, first_line
from models.manifest import Output
from models.offline.answers import has_scores, predicted
from models.offline.classes import label_values
from models.offline.graphs.affine import Affine
from models.offline.graphs.nodes import INPUT, Nodes, finish
from models.offline.graphs.responses import answer
from models.offline.graphs.stock import stock
from models.offline.validity import check_model
from models.runtime import OnnxRuntime


@dataclass(frozen=True)
class Graph:
    """A classifier as ONNX bytes.

    Its only input, ``features``, is float32 [N, n_features] for any N. Its first output, named as
    ``output``, is float32 [N, C] in the order of the classifier's ``classes_`` (scores are the
    decision function d; for two classes they are two columns, [-d, d]). A second output,
    ``label_index`` int64 [N], exists only if the label is not always the first maximum.
    """

    model: bytes
    output: Output
    origin: Literal["written", "skl2onnx"]


def convert(estimator: Any, n_features: int) -> Graph:
    """The graph of a fitted classifier of ``n_features`` float32 features.

    The same estimator gives the same bytes. ``parity`` checks whether the graph predicts what its
    estimator predicts; this function does not.

    Raises ConversionError if the estimator is not fitted on ``n_features``, has labels other than
    integers or strings, or has no graph of standard operators.
    """
    n_classes = _check_classifier(estimator, n_features)
    nodes = Nodes()
    output = answer(nodes, estimator, Affine.identity(n_features))
    if output is None:  # Of a step before the classifier.
        nodes = Nodes()
        output = stock(nodes, estimator, n_features, INPUT)
    origin: Literal["written", "skl2onnx"] = "skl2onnx" if nodes.grafted else "written"
    model = finish(nodes.nodes, nodes.constants, output, n_features, n_classes)
    content: bytes = model.SerializeToString(deterministic=True)
    check_model(content, type(estimator).__name__)
    _check_shapes(content, type(estimator).__name__, n_features, n_classes)
    return Graph(content, output.kind, origin)


def _check_classifier(estimator: Any, n_features: int) -> int:
    """The number of classes; raises ConversionError for what is not a usable classifier."""
    name = type(estimator).__name__
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        raise ConversionError(f"{name} has no classes_, so it is not a fitted classifier.")
    if isinstance(classes, list):
        raise ConversionError(
            f"{name} has several outputs, but only one label per image is supported."
        )
    values = np.asarray(classes)
    label_values(values)
    if values.size < 2:
        raise ConversionError(f"{name} has a single class, but needs at least two.")
    if not has_scores(estimator):
        raise ConversionError(f"{name} has neither predict_proba nor decision_function.")
    fitted = getattr(estimator, "n_features_in_", n_features)
    if fitted != n_features:
        raise ConversionError(
            f"{name} was trained on {fitted} features, but the image spec gives {n_features}."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            label = predicted(estimator, np.zeros((1, n_features), dtype=np.float32))
    except Exception as error:
        raise ConversionError(
            f"{name} cannot predict the label of an image of {n_features} features: "
            f"{first_line(error)}."
        ) from error
    if np.shape(label) != (1,):
        raise ConversionError(
            f"{name} has several outputs, but only one label per image is supported."
        )
    return values.size


def _check_shapes(content: bytes, name: str, n_features: int, n_classes: int) -> None:
    """Raise ConversionError unless it loads, and its outputs have the shapes of ``Graph``."""
    try:
        runtime = OnnxRuntime(content)
        shapes = [
            runtime.run(np.zeros((size, n_features), dtype=np.float32)).scores.shape
            for size in (1, 3)
        ]
    except Exception as error:
        raise ConversionError(
            f"{name} converts to a graph that cannot run: {first_line(error)}."
        ) from error
    if shapes != [(1, n_classes), (3, n_classes)]:
        raise ConversionError(
            f"{name} converts to a graph whose output for 3 images has the shape "
            f"{'x'.join(map(str, shapes[1]))}, not 3x{n_classes}."
        )
