"""Runs a version's graph: the only code that computes predictions in production."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.extractor import Embedder
from models.session import open_session


class Outcome(NamedTuple):
    """A classifier's output for N images, with C classes.

    ``scores``: float32 [N, C], probabilities or decision scores as the manifest says. ``indices``:
    int64 [N], the predicted labels as indices into the manifest's ``labels``.
    """

    scores: NDArray[np.float32]
    indices: NDArray[np.int64]


class Runtime(Protocol):
    """Turns features into an Outcome. Any thread may call it, and several at once."""

    def run(self, features: NDArray[np.float32]) -> Outcome:
        """``features``: float32 [N, n_features]."""
        ...


class OnnxRuntime:
    """A graph in ONNX Runtime, on one thread, since the server scales with processes.

    Raises ArtifactError for a graph that may not run or cannot.
    """

    def __init__(self, model: bytes) -> None:
        self._session = open_session(model)
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._has_index = len(self._outputs) > 1

    def run(self, features: NDArray[np.float32]) -> Outcome:
        outputs = self._session.run(self._outputs, {self._input: features})
        if self._has_index:
            return Outcome(outputs[0], outputs[1])
        scores = outputs[0]
        return Outcome(scores, scores.argmax(axis=1))


def inputs_of(spec: ImageSpec, values: NDArray[Any]) -> NDArray[np.float32]:
    """What a classifier takes of images: of pixels, uint8 [N, F], the spec's features; embeddings,
    floats [N, dimension], are it already."""
    if values.dtype == np.uint8:
        return spec.features(values)
    return values.astype(np.float32, copy=False)


def head_of(runtime: "Runtime") -> "Runtime":
    """What takes embeddings, of a version with an extractor."""
    return runtime.head if isinstance(runtime, Composed) else runtime


class Composed:
    """A version with an extractor: its embeddings, then its head, in one call."""

    def __init__(self, embedder: Embedder, head: Runtime) -> None:
        self.embedder, self.head = embedder, head

    def run(self, features: NDArray[np.float32]) -> Outcome:
        return self.head.run(self.embedder.run(features))
