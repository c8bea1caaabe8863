"""Whether a graph is one that may be saved: valid ONNX, and nothing that might not end."""

import onnx

from errors import ConversionError
from models.artifact import GRAPH, HALVES, Artifact
from models.graph import Contents


def check_artifact(artifact: Artifact) -> None:
    """Raise ConversionError if an imported version has a graph that would not be saved here."""
    for name in sorted({GRAPH, *HALVES} & artifact.manifest.files.keys()):
        check_model(artifact.read(name), artifact.manifest.estimator)


def check_model(content: bytes, name: str) -> None:
    """What ``models.graph`` checks, and valid ONNX."""
    fault = Contents.of(content).fault
    if fault is not None:
        raise ConversionError(f"{name} converts to a graph with {fault}.")
    try:
        onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    except Exception as error:
        raise ConversionError(f"{name} converts to a graph that is not valid ONNX.") from error
