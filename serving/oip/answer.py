"""The answer to a request of the Open Inference Protocol, in JSON or with tensors after it."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from errors import BadRequestError
from models.manifest import Label, Manifest
from serving.http.oip import HEADER_LENGTH
from serving.http.reply import Header, Reply
from serving.oip.request import LABEL, PROBABILITIES, Asked, Output

_JSON: Final = (b"content-type", b"application/json")
_BINARY: Final = (b"content-type", b"application/octet-stream")
_LITTLE: Final = np.dtype("<f4")
_BOTH: Final = {
    binary: (Output(LABEL, binary), Output(PROBABILITIES, binary)) for binary in (False, True)
}


class Answered(NamedTuple):
    """One image's label, float32 [C] probabilities, and the manifest of the version that gave
    them."""

    label: Label
    scores: NDArray[np.float32]
    manifest: Manifest


def outputs_of(asked: Asked, manifest: Manifest, tag: str) -> tuple[Output, ...]:
    """What is to be answered by a version; raises BadRequestError for probabilities that it does
    not give."""
    if asked.outputs is None:
        outputs = _BOTH[asked.binary]
        return outputs if manifest.gives_probabilities else outputs[:1]
    if not manifest.gives_probabilities and any(
        output.name == PROBABILITIES for output in asked.outputs
    ):
        raise BadRequestError(
            f"{tag} gives no probabilities; ask for label alone, or ask another version."
        )
    return asked.outputs


def answer(
    asked: Asked,
    outputs: Sequence[Output],
    answers: Sequence[Answered],
    model: str,
    version: str,
    *headers: Header,
) -> Reply:
    """The reply; the tensors in it are in the order of ``outputs``."""
    tensors: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for output in outputs:
        tensor, values = _tensor(output, answers)
        if output.binary:
            part = _serialized(values)
            parts.append(part)
            tensor["parameters"] = {"binary_data_size": len(part)}
        else:
            tensor["data"] = values
        tensors.append(tensor)
    content = {
        "model_name": model,
        "model_version": version,
        "id": asked.id,
        "outputs": tensors,
    }
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    if not parts:
        return Reply(200, [_JSON, (b"content-length", b"%d" % len(body)), *headers], body)
    length = len(body)
    body = b"".join((body, *parts))
    return Reply(
        200,
        [
            _BINARY,
            (b"content-length", b"%d" % len(body)),
            (HEADER_LENGTH, b"%d" % length),
            *headers,
        ],
        body,
    )


def _tensor(output: Output, answers: Sequence[Answered]) -> tuple[dict[str, Any], Any]:
    """Name, datatype and shape; and its elements: a list, or a flat array of float32."""
    images = len(answers)
    if output.name == LABEL:
        is_text = answers[0].manifest.label_type == "string"
        tensor = {"name": LABEL, "datatype": "BYTES" if is_text else "INT64", "shape": [images]}
        return tensor, [answered.label for answered in answers]
    classes = len(answers[0].scores)
    if output.classes:
        count = min(output.classes, classes)
        tensor = {"name": PROBABILITIES, "datatype": "BYTES", "shape": [images, count]}
        return tensor, [text for answered in answers for text in _classes(answered, count)]
    tensor = {"name": PROBABILITIES, "datatype": "FP32", "shape": [images, classes]}
    if images == 1:
        return tensor, answers[0].scores.astype(_LITTLE, copy=False)
    return tensor, np.concatenate([answered.scores for answered in answers], dtype=_LITTLE)


def _classes(answered: Answered, count: int) -> list[str]:
    """The most probable labels as ``<probability>:<index>:<label>``, the first of equals first."""
    order = np.argsort(-answered.scores, kind="stable")[:count]
    labels = answered.manifest.labels
    return [f"{answered.scores[index]:.6f}:{index}:{labels[index]}" for index in order]


def _serialized(values: Any) -> bytes:
    if isinstance(values, np.ndarray):
        return values.tobytes()
    if type(values[0]) is int:
        return b"".join([value.to_bytes(8, "little", signed=True) for value in values])
    texts = [value.encode() for value in values]
    return b"".join([len(text).to_bytes(4, "little") + text for text in texts])
