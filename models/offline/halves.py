"""Two copies of a classifier, each trained on another half of its training data, as graphs.

They are made to disagree where the classifier itself is unsure of its ground; see
``monitor.accuracy.labelled``.
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

# Nobody is answered by a half: that its graph is right on some held-out images is enough, and
# for large images libsvm takes milliseconds for each.
CHECKED_FEATURES = 200_000
CHECKED_IMAGES = (16, 100)

_CHUNK = 256


@dataclass(frozen=True, eq=False)
class Halves:
    """``graphs``: two ONNX models; ``probabilities``: float32 [2, N, C], theirs of N images."""

    graphs: tuple[bytes, bytes]
    probabilities: NDArray[np.float32]


def convert_halves(
    estimators: tuple[Any, Any], whole: Any, spec: ImageSpec, pixels: NDArray[np.uint8]
) -> Halves:
    """The graphs of two fitted copies of ``whole``, and what they say of ``pixels``.

    ``pixels``: uint8 [N, n_features], images that neither was trained on. The graphs answer with
    probabilities, in the order of the classes of ``whole``. Raises ConversionError if they cannot.
    """
    graphs = [convert(estimator, spec.n_features) for estimator in estimators]
    fewest, most = CHECKED_IMAGES
    count = min(max(CHECKED_FEATURES // spec.n_features, fewest), most)
    features = spec.features(pixels[:count])
    for estimator, graph in zip(estimators, graphs, strict=True):
        if not np.array_equal(estimator.classes_, whole.classes_):
            raise ConversionError("A half of the training data has other classes than the whole.")
        if graph.output != "probabilities":
            raise ConversionError(f"{type(estimator).__name__} gives no probabilities.")
        parity.check(estimator, graph, features)
    return Halves(
        (graphs[0].model, graphs[1].model),
        np.stack([_probabilities(graph, spec, pixels) for graph in graphs]),
    )


def _probabilities(graph: Graph, spec: ImageSpec, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 [N, C], from the graph itself: production's images will be asked of it too."""
    runtime = OnnxRuntime(graph.model)
    chunks = [pixels[start : start + _CHUNK] for start in range(0, len(pixels), _CHUNK)]
    return np.concatenate([runtime.run(spec.features(chunk)).scores for chunk in chunks])
