"""A request to classify, as the Open Inference Protocol has it: JSON, and tensors after it."""

import itertools
import secrets
from typing import Any, Final, NamedTuple

from starlette.types import Scope

from errors import BadRequestError
from serving.http.fields import coverage_of, read_object
from serving.http.headers import header
from serving.http.oip import HEADER_LENGTH
from serving.http.schema import MAX_REQUEST_ID
from serving.oip.tensors import Tensor, raw_image, read_tensor

LABEL: Final = "label"
PROBABILITIES: Final = "probabilities"
PREDICTION_SET: Final = "prediction_set"
KNOWN: Final = "known"
EMBEDDING: Final = "embedding"
OUTPUTS: Final = (LABEL, PROBABILITIES, PREDICTION_SET, KNOWN, EMBEDDING)
"""The first two are answered where a request names none."""

MAX_PARTS: Final = 50_000
"""Numbers of a tensor in JSON: 3 ms to parse. 150,000, those of a 224x224 color image, would take
eight times as many bytes as in binary."""

_MOST_DIGITS: Final = 10

# Ids of requests that have none: a new one for each worker, and a number.
_WORKER: Final = secrets.token_hex(8)
_numbers = itertools.count(1)


class Output(NamedTuple):
    """An output to be answered. ``binary``: after the JSON; ``classes``: if not 0, so many of the
    most probable labels in place of the tensor; ``coverage``: of a prediction set, if it is said.
    """

    name: str
    binary: bool
    classes: int = 0
    coverage: float | None = None


class Asked(NamedTuple):
    """A checked request; its images may be none, and its tensor may not fit the model's spec.

    ``outputs``: those asked for, None for all; ``binary``: whether those are to be binary.
    """

    id: str
    tensor: Tensor
    outputs: tuple[Output, ...] | None
    binary: bool


def json_length(scope: Scope, size: int) -> int | None:
    """How much of a body of ``size`` bytes, decompressed, is JSON; None for all of it, as its
    client did not say. Raises BadRequestError."""
    value = header(scope, HEADER_LENGTH)
    if value is None:
        return None
    value = value.strip()
    if value.isdigit() and len(value) <= _MOST_DIGITS and int(value) <= size:
        return int(value)
    raise BadRequestError(
        f"Inference-Header-Content-Length must be from 0 to the {size} bytes of the body."
    )


def parse_request(body: bytes, length: int | None) -> Asked:
    """Check a body, of which the first ``length`` bytes are JSON, and the rest a tensor; with 0,
    all of it is one image. Raises BadRequestError."""
    if length == 0:
        return Asked(_new_id(), raw_image(body), None, binary=False)
    if length is None or length == len(body):
        fields, binary = read_object(body, MAX_PARTS), b""
    else:
        fields, binary = read_object(body[:length], MAX_PARTS), body[length:]
    inputs = fields.get("inputs")
    if type(inputs) is not list or not inputs or type(inputs[0]) is not dict:
        raise BadRequestError("inputs must be an array with one object, the tensor to classify.")
    if len(inputs) > 1:
        raise BadRequestError(
            f"Send one input: image, features or pixels; the request has {len(inputs)}."
        )
    parameters = fields.get("parameters")
    if parameters is None:
        all_binary = False
    elif type(parameters) is dict:
        all_binary = _boolean(parameters, "binary_data_output", default=False)
    else:
        raise BadRequestError("The parameters of a request must be an object.")
    outputs = fields.get("outputs")
    return Asked(
        _id(fields.get("id")),
        read_tensor(inputs[0], binary),
        _outputs(outputs, default=all_binary),
        all_binary,
    )


def _id(given: Any) -> str:
    if given is None or given == "":
        return _new_id()
    if type(given) is not str or len(given) > MAX_REQUEST_ID:
        raise BadRequestError(f"id must be a string of up to {MAX_REQUEST_ID} characters.")
    return given


def _new_id() -> str:
    return f"{_WORKER}-{next(_numbers)}"


def _outputs(outputs: Any, *, default: bool) -> tuple[Output, ...] | None:
    if outputs is None or outputs == []:
        return None
    if type(outputs) is not list:
        raise _wrong_outputs()
    if len(outputs) > len(OUTPUTS):
        raise BadRequestError(
            f"The request asks for {len(outputs)} outputs; there are {len(OUTPUTS)}."
        )
    found: dict[str, Output] = {}
    for fields in outputs:
        if type(fields) is not dict:
            raise _wrong_outputs()
        name = fields.get("name")
        if name not in OUTPUTS:
            given = repr(name[:40]) if type(name) is str else "of another type than a string"
            raise BadRequestError(
                f"There is no output {given}; ask for {', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]}."
            )
        found[name] = _output(name, fields.get("parameters"), default=default)
    return tuple(found.values())


def _output(name: str, parameters: Any, *, default: bool) -> Output:
    if parameters is None:
        return Output(name, default)
    if type(parameters) is not dict:
        raise BadRequestError(f"The parameters of the output {name} must be an object.")
    if "shared_memory_region" in parameters:
        raise BadRequestError("Shared memory is not supported; leave it out of the outputs.")
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise BadRequestError("classification must be a number of labels.")
    if classes and name != PROBABILITIES:
        raise BadRequestError(f"classification is for the output probabilities, not for {name}.")
    coverage = coverage_of(parameters)
    if coverage is not None and name != PREDICTION_SET:
        raise BadRequestError(f"coverage is for the output {PREDICTION_SET}, not for {name}.")
    return Output(name, _boolean(parameters, "binary_data", default=default), classes, coverage)


def _boolean(parameters: dict[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if type(value) is not bool:
        raise BadRequestError(f"{name} must be true or false.")
    return value


def _wrong_outputs() -> BadRequestError:
    return BadRequestError("outputs must be an array of objects with a name.")
