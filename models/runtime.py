"""Runs a version's graph: the only code that computes predictions in production."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

import internals
from errors import ArtifactError, first_line
from models.graph import Contents


class Outcome(NamedTuple):
    """A classifier's output for N images, with C classes.

    ``scores``: float32 [N, C], probabilities or decision scores as the manifest says. ``indices``:
    int64 [N], the predicted labels as indices into the manifest's ``labels``.
    """

    scores: NDArray[np.float32]
    indices: NDArray[np.int64]


class Runtime(Protocol):
    """Turns features into an Outcome. Any thread may call it, one at a time."""

    def run(self, features: NDArray[np.float32]) -> Outcome:
        """``features``: float32 [N, n_features]."""
        ...


class OnnxRuntime:
    """A graph in ONNX Runtime, on one thread, since the server scales with processes.

    The session is created from bytes whose SHA-256 was checked, never from a path, so that what
    was verified is what runs. Raises ArtifactError for a graph that may not run or cannot.
    """

    def __init__(self, model: bytes) -> None:
        fault = Contents.of(model).fault
        if fault is not None:
            raise ArtifactError(f"The graph cannot be used: it has {fault}.")
        # Here, because the process that supervises the workers imports this module too.
        onnxruntime = internals.silent_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ArtifactError(
                f"ONNX Runtime {onnxruntime.__version__} cannot load the graph: "
                f"{first_line(error)}."
            ) from error
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._has_index = len(self._outputs) > 1

    def run(self, features: NDArray[np.float32]) -> Outcome:
        outputs = self._session.run(self._outputs, {self._input: features})
        if self._has_index:
            return Outcome(outputs[0], outputs[1])
        scores = outputs[0]
        return Outcome(scores, scores.argmax(axis=1))
