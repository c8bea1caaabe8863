"""Each message as the request of ``/v2`` that asks the same, and the answer to it as a message."""

import itertools
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from errors import BadRequestError
from serving.grpc.messages import messages
from serving.grpc.wire import SMALL_BYTES, broken, check_fields
from serving.http.oip import HEADER_LENGTH
from serving.http.reply import Reply
from serving.oip.tensors import PIXELS

_LENGTH_BYTES: Final = 4

# Where the content of each datatype that an input takes may be, if it is not raw.
_CONTENTS: Final = {"BYTES": "bytes_contents", "FP32": "fp32_contents", "UINT8": "uint_contents"}
_TOP: Final = 255


class Inference(NamedTuple):
    """``body``: JSON in its first ``length`` bytes, and after it a tensor. ``model``: with its
    version, if the request names one."""

    model: str
    length: int
    body: bytes


def inference(data: bytes) -> Inference:
    """What a serialized ModelInferRequest asks; raises BadRequestError."""
    check_fields(data)
    asked = _parsed("ModelInferRequest", data)
    raw = asked.raw_input_contents
    if raw and len(raw) != len(asked.inputs):
        raise BadRequestError(
            f"raw_input_contents has {len(raw)} tensors, and the request {len(asked.inputs)} "
            "inputs: send one for each, or none."
        )
    inputs: list[dict[str, Any]] = []
    content: bytes | None = None
    for number, tensor in enumerate(asked.inputs):
        if number:
            # The protocol here has one; the others are counted, and refused.
            inputs.append({})
            continue
        content = raw[0] if raw else _serialized(tensor)
        parameters = _parameters(tensor.parameters)
        if content is not None:
            parameters["binary_data_size"] = len(content)
        inputs.append(
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.shape),
                "parameters": parameters,
            }
        )
    fields = {
        "id": asked.id,
        "parameters": {**_parameters(asked.parameters), "binary_data_output": True},
        "inputs": inputs,
        "outputs": [
            {"name": one.name, "parameters": {**_parameters(one.parameters), "binary_data": True}}
            for one in asked.outputs
        ],
    }
    head = orjson.dumps(fields)
    model = tagged(asked.model_name, asked.model_version)
    return Inference(model, len(head), b"%b%b" % (head, content or b""))


def tagged(name: str, version: str) -> str:
    """A model with its version, if one is named."""
    return f"{name}:{version}" if version else name


def told(kind: str, data: bytes) -> Any:
    """The message of one of the other kinds, which have a name or two; raises BadRequestError."""
    if len(data) > SMALL_BYTES:
        raise BadRequestError(f"The message is larger than the {SMALL_BYTES:,} bytes of a {kind}.")
    return _parsed(kind, data)


def inferred(reply: Reply) -> Any:
    """The ModelInferResponse that says what a reply to ``inference`` says."""
    length = next(int(value) for name, value in reply.headers if name == HEADER_LENGTH)
    said = orjson.loads(reply.body[:length])
    sizes = [output["parameters"]["binary_data_size"] for output in said["outputs"]]
    ends = list(itertools.accumulate(sizes, initial=length))
    return messages()["ModelInferResponse"](
        model_name=said["model_name"],
        model_version=said["model_version"],
        id=said["id"],
        outputs=[
            {name: output[name] for name in ("name", "datatype", "shape")}
            for output in said["outputs"]
        ],
        raw_output_contents=[reply.body[a:b] for a, b in itertools.pairwise(ends)],
    )


def described(kind: str, fields: dict[str, Any]) -> Any:
    """The message of this kind that says what the JSON of a reply says; what the message has no
    field for is left out."""
    message = messages()[kind]
    return message(**{name: fields[name] for name in message.DESCRIPTOR.fields_by_name})


def _parsed(kind: str, data: bytes) -> Any:
    try:
        return messages()[kind].FromString(data)
    except Exception:  # noqa: BLE001 - protobuf's class for it depends on its version
        raise broken(kind) from None


def _parameters(given: Any) -> dict[str, Any]:
    found = {}
    for name, parameter in given.items():
        choice = parameter.WhichOneof("parameter_choice")
        found[name] = None if choice is None else getattr(parameter, choice)
    return found


def _serialized(tensor: Any) -> bytes | None:
    """A tensor's content as it would be raw; None if it has none of its datatype."""
    field = _CONTENTS.get(tensor.datatype)
    values: Iterable[Any] | None = getattr(tensor.contents, field) if field is not None else None
    if not values:
        return None
    if tensor.datatype == "BYTES":
        return b"".join(b"%b%b" % (len(v).to_bytes(_LENGTH_BYTES, "little"), v) for v in values)
    if tensor.datatype == "FP32":
        return np.array(values, "<f4").tobytes()
    numbers = np.array(values, np.uint32)
    if numbers.max() > _TOP:
        raise BadRequestError(f"The data of {PIXELS} must be integers from 0 to {_TOP}.")
    return numbers.astype(np.uint8).tobytes()
