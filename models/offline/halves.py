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
    estimators: tuple[Any, Any],
    whole: Any,
    spec: ImageSpec,
    pixels: NDArray[np.uint8],
    embeddings: NDArray[np.floating] | None = None,
) -> Halves:
    """The graphs of two fitted copies of ``whole``, and their probabilities for ``pixels``.

    ``pixels``: uint8 [N, n_features], images that neither was trained on; ``embeddings``: floats
    [N, dimension], if the classifiers take these. The graphs output probabilities in the order of
    ``whole.classes_``. Raises ConversionError if they cannot.
    """
    inputs = _Inputs(spec, pixels) if embeddings is None else _Inputs(None, embeddings)
    graphs = [convert(estimator, inputs.width) for estimator in estimators]
    minimum, maximum = CHECKED_IMAGES
    count = min(max(CHECKED_FEATURES // inputs.width, minimum), maximum)
    features = inputs.rows(0, count)
    for estimator, graph in zip(estimators, graphs, strict=True):
        if not np.array_equal(estimator.classes_, whole.classes_):
            raise ConversionError("One half of the training data does not have all classes.")
        if graph.output != "probabilities":
            raise ConversionError(f"{type(estimator).__name__} gives no probabilities.")
        parity.check(estimator, graph, features)
    return Halves(
        (graphs[0].model, graphs[1].model),
        np.stack([_probabilities(graph, inputs) for graph in graphs]),
    )


@dataclass(frozen=True, eq=False)
class _Inputs:
    """What a classifier takes of N images, some at a time in memory: ``values`` are pixels, or
    embeddings if there is no ``spec``."""

    spec: ImageSpec | None
    values: NDArray[Any]

    @property
    def width(self) -> int:
        return int(self.values.shape[1])

    def rows(self, start: int, count: int) -> NDArray[np.float32]:
        part = self.values[start : start + count]
        return part.astype(np.float32) if self.spec is None else self.spec.features(part)


def _probabilities(graph: Graph, inputs: _Inputs) -> NDArray[np.float32]:
    """float32 [N, C], computed by the graph, as it will be for the images in production."""
    runtime = OnnxRuntime(graph.model)
    chunks = range(0, len(inputs.values), _CHUNK)
    return np.concatenate([runtime.run(inputs.rows(start, _CHUNK)).scores for start in chunks])
