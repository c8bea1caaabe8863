"""The answer to a request of the Open Inference Protocol, in JSON or with tensors after it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from errors import BadRequestError
from models.manifest import Label, Manifest
from serving.http.oip import HEADER_LENGTH
from serving.http.reply import Header, Reply
from serving.inference.honesty import Said
from serving.oip.request import (
    EMBEDDING,
    KNOWN,
    LABEL,
    PREDICTION_SET,
    PROBABILITIES,
    Asked,
    Output,
)

_JSON: Final = (b"content-type", b"application/json")
_BINARY: Final = (b"content-type", b"application/octet-stream")
NO_NUMBER: Final = -(2**63)
NO_TEXT: Final = ""
"""The label of an image for which a version abstains."""

_LITTLE: Final = np.dtype("<f4")
_BOTH: Final = {
    binary: (Output(LABEL, binary), Output(PROBABILITIES, binary)) for binary in (False, True)
}


class Answered(NamedTuple):
    """One image's label, None if the version abstains, float32 [C] probabilities, and the manifest
    of the version that gave them; what else it said, if it was asked; and what the classifier took,
    which is the image's embedding where the version has an extractor."""

    label: Label | None
    scores: NDArray[np.float32]
    manifest: Manifest
    said: Said | None = None
    embedding: NDArray[np.float32] | None = None


def outputs_of(asked: Asked, manifest: Manifest, tag: str) -> tuple[Output, ...]:
    """What is to be answered by a version; raises BadRequestError for probabilities that it does
    not give, and for a prediction set of no coverage."""
    gives_probabilities = manifest.gives_probabilities
    if asked.outputs is None:
        outputs = _BOTH[asked.binary]
        return outputs if gives_probabilities else outputs[:1]
    if not gives_probabilities and any(output.name == PROBABILITIES for output in asked.outputs):
        raise BadRequestError(
            f"{tag} gives no probabilities; ask for label alone, or ask another version."
        )
    return tuple(_with_coverage(output, manifest) for output in asked.outputs)


def _with_coverage(output: Output, manifest: Manifest) -> Output:
    """A set of no coverage is that by which the version abstains."""
    if output.name != PREDICTION_SET or output.coverage is not None:
        return output
    if manifest.abstain is None:
        raise BadRequestError(
            f"{PREDICTION_SET} needs a coverage: send it as its parameter, such as 0.95."
        )
    return output._replace(coverage=manifest.abstain)


def answer(
    asked: Asked,
    outputs: Sequence[Output],
    answers: Sequence[Answered],
    model: str,
    version: str,
    *headers: Header,
) -> Reply:
    """The reply; the tensors in it are in the order of ``outputs``."""
    if asked.binary and asked.outputs is None and len(answers) == 1:
        return _one_binary(asked.id, len(outputs), answers[0], model, version, headers)
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
    return _with_tensors(body, parts, headers)


def _with_tensors(head: bytes, parts: Sequence[bytes], headers: Sequence[Header]) -> Reply:
    body = b"".join((head, *parts))
    sizes = (b"content-length", b"%d" % len(body)), (HEADER_LENGTH, b"%d" % len(head))
    return Reply(200, [_BINARY, *sizes, *headers], body)


def _one_binary(
    request_id: str,
    outputs: int,
    answered: Answered,
    model: str,
    version: str,
    headers: Sequence[Header],
) -> Reply:
    """The same for what Triton's client asks for: ``outputs``, in their order, of one image. Their
    JSON differs by its id alone, which halves the cost."""
    label, scores = _said(answered), answered.scores
    is_text = type(label) is str
    first = _element(label) if isinstance(label, str) else label.to_bytes(8, "little", signed=True)
    before, after = _around_id(model, version, outputs, is_text, len(first), len(scores))
    head = b"%b%b%b" % (before, orjson.dumps(request_id), after)
    body = b"%b%b" % (head, first)
    if outputs > 1:
        body += scores.astype(_LITTLE, copy=False).tobytes()
    sizes = (b"content-length", b"%d" % len(body)), (HEADER_LENGTH, b"%d" % len(head))
    return Reply(200, [_BINARY, *sizes, *headers], body)


@lru_cache(256)
def _around_id(
    model: str,
    version: str,
    outputs: int,
    is_text: bool,
    size: int,
    classes: int,
) -> tuple[bytes, bytes]:
    """The JSON before and after the id; ``size``: of the label in bytes."""
    label = {
        "name": LABEL,
        "datatype": "BYTES" if is_text else "INT64",
        "shape": [1],
        "parameters": {"binary_data_size": size},
    }
    probabilities = {
        "name": PROBABILITIES,
        "datatype": "FP32",
        "shape": [1, classes],
        "parameters": {"binary_data_size": classes * _LITTLE.itemsize},
    }
    before = orjson.dumps({"model_name": model, "model_version": version})
    after = orjson.dumps([label, probabilities][:outputs])
    return before[:-1] + b',"id":', b',"outputs":' + after + b"}"


def _tensor(output: Output, answers: Sequence[Answered]) -> tuple[dict[str, Any], Any]:
    """Name, datatype and shape; and its elements: a list, or a flat array of float32."""
    images = len(answers)
    if output.name == LABEL:
        is_text = answers[0].manifest.label_type == "string"
        tensor = {"name": LABEL, "datatype": "BYTES" if is_text else "INT64", "shape": [images]}
        return tensor, [_said(answered) for answered in answers]
    if output.name == PREDICTION_SET:
        tensor = {"name": PREDICTION_SET, "datatype": "BYTES", "shape": [images]}
        return tensor, [_set(answered) for answered in answers]
    if output.name == KNOWN:
        tensor = {"name": KNOWN, "datatype": "BOOL", "shape": [images]}
        return tensor, [
            answered.said is not None and bool(answered.said.known) for answered in answers
        ]
    if output.name == EMBEDDING:
        rows = np.stack([one.embedding for one in answers if one.embedding is not None])
        tensor = {"name": EMBEDDING, "datatype": "FP32", "shape": list(rows.shape)}
        return tensor, rows.astype(_LITTLE, copy=False).reshape(-1)
    classes = len(answers[0].scores)
    if output.classes:
        count = min(output.classes, classes)
        tensor = {"name": PROBABILITIES, "datatype": "BYTES", "shape": [images, count]}
        return tensor, [text for answered in answers for text in _classes(answered, count)]
    tensor = {"name": PROBABILITIES, "datatype": "FP32", "shape": [images, classes]}
    if images == 1:
        return tensor, answers[0].scores.astype(_LITTLE, copy=False)
    return tensor, np.concatenate([answered.scores for answered in answers], dtype=_LITTLE)


def _set(answered: Answered) -> str:
    """A JSON array of labels: sets differ in length, and the rows of a tensor do not."""
    labels = None if answered.said is None else answered.said.prediction_set
    return orjson.dumps(labels or []).decode()


def _said(answered: Answered) -> Label:
    """The label; a tensor has no place for none, so one that no class has."""
    if answered.label is not None:
        return answered.label
    return NO_TEXT if answered.manifest.label_type == "string" else NO_NUMBER


def _classes(answered: Answered, count: int) -> list[str]:
    """The most probable labels as ``<probability>:<index>:<label>``, the first of equals first."""
    order = np.argsort(-answered.scores, kind="stable")[:count]
    labels = answered.manifest.labels
    return [f"{answered.scores[index]:.6f}:{index}:{labels[index]}" for index in order]


def _serialized(values: Any) -> bytes:
    if isinstance(values, np.ndarray):
        return values.tobytes()
    if type(values[0]) is bool:
        return bytes(values)
    if type(values[0]) is int:
        return b"".join([value.to_bytes(8, "little", signed=True) for value in values])
    return b"".join(map(_element, values))


def _element(text: str) -> bytes:
    """With its length in front."""
    content = text.encode()
    return len(content).to_bytes(4, "little") + content
