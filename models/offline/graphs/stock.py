"""skl2onnx's conversion of what is not written here, as a part of our graphs."""

import warnings
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, NuSVC

from errors import ConversionError, first_line
from models.offline.graphs.kernel import KERNELS
from models.offline.graphs.nodes import INPUT, OPSETS, Nodes, Outputs
from models.offline.graphs.trees import last_step, with_float32_thresholds, without_zeros


def stock(nodes: Nodes, estimator: Any, width: int, value: str, *, raw: bool = False) -> Outputs:
    """The nodes of any classifier that skl2onnx supports, for float32 [N, F] features ``value``.

    Without its label. ``raw``: its decision function, even if it has probabilities. Raises
    ConversionError, with skl2onnx's reason, for others.
    """
    name = type(estimator).__name__
    _refuse(last_step(estimator))
    gives_probabilities = hasattr(estimator, "predict_proba") and not raw
    source = with_float32_thresholds(estimator)
    options: dict[Any, Any] = {"zipmap": False}
    if not gives_probabilities:
        options = {id(last_step(source)): {"raw_scores": True, "zipmap": False}}
    model = _converted(source, width, options, name)
    names = [output.name for output in model.graph.output]
    if len(names) != 2:
        raise ConversionError(f"{name} converts to a graph that outputs labels only.")
    scores = names[1]
    n_classes = len(estimator.classes_)
    shape = model.graph.output[1].type.tensor_type.shape.dim
    used = {scores, *(name for node in model.graph.node for name in node.input)}
    grafted = [without_zeros(node, used) for node in model.graph.node]
    scores = nodes.graft(grafted, model.graph.initializer, value, scores)
    if not gives_probabilities and n_classes == 2 and len(shape) == 2 and shape[1].dim_value == 1:
        scores = nodes.add("MatMul", scores, nodes.constant([[-1.0, 1.0]]))
    return Outputs("probabilities" if gives_probabilities else "scores", scores)


def stock_transformer(
    nodes: Nodes, value: str, width: int, transformer: Any
) -> tuple[str, int] | None:
    """What a transformer makes of float32 [N, ``width``], and its columns; None if it has none."""
    try:
        features = transformer.transform(np.zeros((1, width), np.float32))
        model = _converted(transformer, width, None, type(transformer).__name__)
        (output,) = model.graph.output
    except Exception:  # noqa: BLE001 - whatever a transformer does with zeros
        return None
    if output.type.tensor_type.elem_type != TensorProto.FLOAT:
        return None
    found = nodes.graft(model.graph.node, model.graph.initializer, value, output.name)
    return found, int(np.shape(features)[1])


def _converted(source: Any, width: int, options: dict[Any, Any] | None, name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return convert_sklearn(
                source,
                name="classifier",
                initial_types=[(INPUT, FloatTensorType([None, width]))],
                options=options,
                target_opset=OPSETS,
            )
    except (MissingConverter, MissingShapeCalculator) as error:
        raise ConversionError(
            f"{name} has no ONNX conversion, or contains an estimator that has none."
        ) from error
    except Exception as error:
        raise ConversionError(
            f"{name} cannot be converted to ONNX: {first_line(error)}."
        ) from error


def _refuse(last: Any) -> None:
    """Raise ConversionError for what skl2onnx converts to a slow or wrong graph, or not at all."""
    if type(last) is KNeighborsClassifier:
        raise ConversionError(
            "KNeighborsClassifier can be converted only with weights and a distance of Minkowski's "
            "family that have a name."
        )
    if type(last) in {SVC, NuSVC} and (callable(last.kernel) or last.kernel not in KERNELS):
        raise ConversionError(
            f"{type(last).__name__} can be converted only with the kernels "
            f"{', '.join(sorted(KERNELS))}."
        )
