"""skl2onnx's conversion, brought to the contract's names and shapes."""

import warnings
from typing import Any

from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC, NuSVC

from errors import ConversionError
from models.offline.graphs.kernel import KERNELS
from models.offline.graphs.neighbours import is_plain
from models.offline.graphs.nodes import INPUT, OPSETS, Answer, Nodes, finish
from models.offline.graphs.trees import last_step, lightened, with_float32_thresholds
from models.offline.graphs.written import write_vote


def stock(estimator: Any, n_features: int) -> tuple[Any, Answer]:
    """The ModelProto of any classifier skl2onnx knows, without its label output.

    Raises ConversionError if it knows none, with skl2onnx's reason.
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
            f"{name} has no ONNX conversion, or holds an estimator that has none."
        ) from error
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ConversionError(f"{name} cannot be converted to ONNX: {reason}.") from error

    outputs = [output.name for output in model.graph.output]
    if len(outputs) != 2:
        raise ConversionError(f"{name} converts to a graph that gives labels alone.")
    nodes = Nodes("written_")
    scores = outputs[1]
    n_classes = len(estimator.classes_)
    shape = model.graph.output[1].type.tensor_type.shape.dim
    if not gives_probabilities and n_classes == 2 and len(shape) == 2 and shape[1].dim_value == 1:
        both = nodes.constant([[-1.0, 1.0]])
        scores = nodes.add("MatMul", scores, both)
    label = write_vote(estimator, n_features, nodes) if gives_probabilities else None
    wanted = {scores, *(name for node in model.graph.node for name in node.input)}
    answer = Answer("probabilities" if gives_probabilities else "scores", scores, label)
    return (
        finish(
            [*(lightened(node, wanted) for node in model.graph.node), *nodes.nodes],
            [*model.graph.initializer, *nodes.constants],
            answer,
            n_features,
            n_classes,
        ),
        answer,
    )


def _refuse(last: Any) -> None:
    """What skl2onnx would convert to something slow, wrong or nothing, in words of our own."""
    if type(last) is KNeighborsClassifier and not is_plain(last):
        raise ConversionError(
            "KNeighborsClassifier has a graph only with uniform weights and Euclidean distance."
        )
    if type(last) in {SVC, NuSVC} and (callable(last.kernel) or last.kernel not in KERNELS):
        raise ConversionError(
            f"{type(last).__name__} has a graph only with the kernels {', '.join(sorted(KERNELS))}."
        )
