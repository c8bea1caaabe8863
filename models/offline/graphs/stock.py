"""skl2onnx's conversion, with the names and shapes of ``Graph``."""

import warnings
from typing import Any

from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, NuSVC

from errors import ConversionError, first_line
from models.offline.graphs.kernel import KERNELS
from models.offline.graphs.neighbors import is_plain
from models.offline.graphs.nodes import INPUT, OPSETS, Nodes, Outputs, finish
from models.offline.graphs.trees import last_step, with_float32_thresholds, without_zeros
from models.offline.graphs.written import write_vote


def stock(estimator: Any, n_features: int) -> tuple[Any, Outputs]:
    """The ModelProto of any classifier that skl2onnx supports, without its label output.

    Raises ConversionError, with skl2onnx's reason, for others.
    """
    name = type(estimator).__name__
    _refuse(last_step(estimator))
    gives_probabilities = hasattr(estimator, "predict_proba")
    source = with_float32_thresholds(estimator)
    options: dict[Any, Any] = {"zipmap": False}
    if not gives_probabilities:
        options = {id(last_step(source)): {"raw_scores": True, "zipmap": False}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = convert_sklearn(
                source,
                name="classifier",
                initial_types=[(INPUT, FloatTensorType([None, n_features]))],
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

    names = [output.name for output in model.graph.output]
    if len(names) != 2:
        raise ConversionError(f"{name} converts to a graph that outputs labels only.")
    nodes = Nodes("written_")
    scores = names[1]
    n_classes = len(estimator.classes_)
    shape = model.graph.output[1].type.tensor_type.shape.dim
    if not gives_probabilities and n_classes == 2 and len(shape) == 2 and shape[1].dim_value == 1:
        both = nodes.constant([[-1.0, 1.0]])
        scores = nodes.add("MatMul", scores, both)
    label = write_vote(estimator, n_features, nodes) if gives_probabilities else None
    used = {scores, *(name for node in model.graph.node for name in node.input)}
    outputs = Outputs("probabilities" if gives_probabilities else "scores", scores, label)
    return (
        finish(
            [*(without_zeros(node, used) for node in model.graph.node), *nodes.nodes],
            [*model.graph.initializer, *nodes.constants],
            outputs,
            n_features,
            n_classes,
        ),
        outputs,
    )


def _refuse(last: Any) -> None:
    """Raise ConversionError for what skl2onnx converts to a slow or wrong graph, or not at all."""
    if type(last) is KNeighborsClassifier and not is_plain(last):
        raise ConversionError(
            "KNeighborsClassifier can be converted only with uniform weights and Euclidean "
            "distance."
        )
    if type(last) in {SVC, NuSVC} and (callable(last.kernel) or last.kernel not in KERNELS):
        raise ConversionError(
            f"{type(last).__name__} can be converted only with the kernels "
            f"{', '.join(sorted(KERNELS))}."
        )
