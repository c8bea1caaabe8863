"""The half models as graphs: two copies of a classifier, each trained on one half of the data.

They disagree most where the classifier itself is likely to be wrong; see ``monitor.accuracy.harm``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import ConversionError
from images.spec import ImageSpec
from models.offline import parity
from models.offline.conversion import Graph, convert
from models.runtime import OnnxRuntime

# Half models do not serve, so it is enough to check their graphs on some held-out images; libsvm
# takes milliseconds for a large one.
CHECKED_FEATURES = 200_000
CHECKED_IMAGES = (16, 100)

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Halves:
    """``graphs``: two ONNX models; ``probabilities``: float32 [2, N, C], for N images."""

    graphs: tuple[bytes, bytes]
    probabilities: NDArray[np.float32]


def convert_halves(
    estimators: tuple[Any, Any], whole: Any, spec: ImageSpec, pixels: NDArray[np.uint8]
) -> Halves:
    """The graphs of two fitted copies of ``whole``, and their probabilities for ``pixels``.

    ``pixels``: uint8 [N, n_features], images that neither was trained on. The graphs output
    probabilities in the order of ``whole.classes_``. Raises ConversionError if they cannot.
    """
    graphs = [convert(estimator, spec.n_features) for estimator in estimators]
    minimum, maximum = CHECKED_IMAGES
    count = min(max(CHECKED_FEATURES // spec.n_features, minimum), maximum)
    features = spec.features(pixels[:count])
    for estimator, graph in zip(estimators, graphs, strict=True):
        if not np.array_equal(estimator.classes_, whole.classes_):
            raise ConversionError("One half of the training data does not have all classes.")
        if graph.output != "probabilities":
            raise ConversionError(f"{type(estimator).__name__} gives no probabilities.")
        parity.check(estimator, graph, features)
    return Halves(
        (graphs[0].model, graphs[1].model),
        np.stack([_probabilities(graph, spec, pixels) for graph in graphs]),
    )


def _probabilities(graph: Graph, spec: ImageSpec, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 [N, C], computed by the graph, as it will be for the images in production."""
    runtime = OnnxRuntime(graph.model)
    chunks = [pixels[start : start + _CHUNK] for start in range(0, len(pixels), _CHUNK)]
    return np.concatenate([runtime.run(spec.features(chunk)).scores for chunk in chunks])
