"""What clients of the Open Inference Protocol send and get, for ``/docs.json``.

Requests are checked by hand, in ``serving.oip``. The names are those of the protocol.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from serving.http.schema import MAX_ITEMS, MAX_REQUEST_ID

InputName = Literal["image", "features", "pixels"]
InputType = Literal["BYTES", "FP32", "UINT8"]
OutputName = Literal["label", "probabilities", "prediction_set", "known", "embedding"]
OutputType = Literal["BYTES", "INT64", "FP32", "BOOL"]
ConfigType = Literal["TYPE_STRING", "TYPE_FP32", "TYPE_UINT8", "TYPE_INT64", "TYPE_BOOL"]

_Parameters = Annotated[
    dict[str, Any] | None, Field(description="those that nobody knows are ignored")
]


class InferInput(BaseModel):
    """A tensor: `image` of BYTES, `features` of FP32, or `pixels` of UINT8."""

    name: InputName
    datatype: InputType
    shape: list[Annotated[int, Field(ge=0)]] = Field(
        min_length=1,
        max_length=4,
        description=f"its first dimension is the number of images, up to {MAX_ITEMS}",
    )
    data: Any = Field(
        default=None,
        description="its elements, nested or flat; images as base64; left out of a tensor that "
        "follows the JSON, of which `parameters` has the `binary_data_size`",
    )
    parameters: _Parameters = None


class InferOutput(BaseModel):
    """An output to be answered."""

    name: OutputName
    parameters: _Parameters = Field(
        default=None,
        description="`binary_data`: after the JSON; `classification`: so many of the most probable "
        "labels, each as probability, index and label with a colon between them; `coverage`: of "
        "a prediction set",
    )


class InferRequest(BaseModel):
    """Images for one model, in one tensor."""

    model_config = ConfigDict(protected_namespaces=())

    id: Annotated[str, Field(max_length=MAX_REQUEST_ID)] | None = Field(
        default=None, description="returned unchanged; without one, the server makes one"
    )
    inputs: list[InferInput] = Field(min_length=1, max_length=1)
    outputs: list[InferOutput] | None = Field(
        default=None, description="by default label and probabilities"
    )
    parameters: _Parameters = Field(
        default=None, description="`binary_data_output`: all outputs after the JSON"
    )


class OutputTensor(TypedDict):
    """``data``: its elements, unless they follow the JSON, of which ``parameters`` tells."""

    name: OutputName
    datatype: OutputType
    shape: list[int]
    data: NotRequired[list[bool | int | float | str]]
    parameters: NotRequired[dict[str, int]]


class InferResponse(TypedDict):
    """``id``: of the request, for labels."""

    model_name: str
    model_version: str
    id: str
    outputs: list[OutputTensor]


class TensorMetadata(TypedDict):
    """A dimension of -1 may have any size."""

    name: InputName | OutputName
    datatype: InputType | OutputType
    shape: list[int]


class ModelMetadata(TypedDict):
    """A request has one of the inputs."""

    name: str
    versions: Annotated[list[str], Field(description="oldest first")]
    platform: Literal["onnx", "sklearn"]
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: Annotated[
        dict[str, Any],
        Field(
            description="the version that answers, its image spec, its labels in order, and the "
            "outputs that it gives only where a request names them"
        ),
    ]


class TensorConfig(TypedDict):
    """``dims``: without the number of images."""

    name: InputName | OutputName
    data_type: ConfigType
    dims: list[int]


class InputConfig(TensorConfig):
    """``optional``: true for each, since a request has one of them."""

    optional: bool


class ModelConfig(TypedDict):
    """What Triton's tools ask before they send anything."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[InputConfig]
    output: list[TensorConfig]


class ServerMetadata(TypedDict):
    """Of the server."""

    name: str
    version: str
    extensions: list[str]


class Live(TypedDict):
    """The process is alive."""

    live: bool


class Ready(TypedDict):
    """The default model answers."""

    ready: bool


class ModelReady(TypedDict):
    """The model answers."""

    name: str
    ready: bool


class IndexRequest(BaseModel):
    """What to list."""

    ready: bool = Field(default=False, description="only what answers")


class IndexEntry(TypedDict):
    """A version; ``reason``: why it is in that state."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


class OipError(TypedDict):
    """Every error below ``/v2``."""

    error: Annotated[str, Field(description="one sentence: what was wrong and what would be right")]
