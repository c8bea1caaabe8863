"""Runs a version's graph: the only code that computes predictions in production."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from errors import ArtifactError


class Outcome(NamedTuple):
    """What a classifier says of N images with C classes.

    ``scores``: float32 [N, C], probabilities where the manifest says so. ``indices``: int64 [N],
    the predicted label's place in the manifest's ``labels``.
    """

    scores: NDArray[np.float32]
    indices: NDArray[np.int64]


class Runtime(Protocol):
    """Anything that turns features into an Outcome; must be safe to call from any one thread."""

    def run(self, features: NDArray[np.float32]) -> Outcome:
        """``features``: float32 [N, n_features]."""
        ...


class OnnxRuntime:
    """A graph in ONNX Runtime, on one thread: the server scales by processes.

    The session is made from bytes whose SHA-256 was checked, never from a path, so that what was
    verified is what runs.
    """

    def __init__(self, model: bytes) -> None:
        # Here, because the process that supervises the workers imports this module too.
        import onnxruntime

        # Since 1.32 it tells its makers of each session, on Linux too.
        onnxruntime.disable_telemetry_events()
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
                f"The graph cannot be loaded by ONNX Runtime {onnxruntime.__version__}: "
                f"{str(error).splitlines()[0] if str(error) else type(error).__name__}"
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
