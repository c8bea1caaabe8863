"""Sessions of ONNX Runtime, made of bytes that were checked before."""

from collections.abc import Sequence
from typing import Any, Final

import internals
from errors import ArtifactError, first_line
from models.graph import ALLOWED_OPERATORS, Contents

CPU: Final = "CPUExecutionProvider"


def open_session(
    model: bytes,
    threads: int = 1,
    allowed: frozenset[str] = ALLOWED_OPERATORS,
    providers: Sequence[str] = (CPU,),
) -> Any:
    """A session that runs a graph on ``threads`` threads, by the first of ``providers`` that can.

    It is created from bytes whose SHA-256 was checked, never from a path, so that what was verified
    is what runs. Raises ArtifactError for a graph that may not run, or cannot.
    """
    fault = Contents.of(model).fault_within(allowed)
    if fault is not None:
        raise ArtifactError(f"The graph cannot be used: it has {fault}.")
    # Here, because the process that supervises the workers imports this module too.
    onnxruntime = internals.silent_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Its errors are raised, too, and those who read them need no log of it.
    options.log_severity_level = 4
    # A thread that waits for work would spin, and take the time of the event loop. Of several, each
    # waits some hundred times in a pass: they may, but not between two passes.
    spinning = "1" if threads > 1 else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    options.add_session_config_entry("session.force_spinning_stop", spinning)
    try:
        return onnxruntime.InferenceSession(model, options, providers=list(providers))
    except Exception as error:
        raise ArtifactError(
            f"ONNX Runtime {onnxruntime.__version__} cannot load the graph: {first_line(error)}."
        ) from error
