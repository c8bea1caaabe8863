"""The messages of ``inference.GRPCInferenceService``, by the numbers of their fields.

Made here, so that no generated file has to fit the installed protobuf, and nobody else's file is
copied. Source: https://github.com/kserve/open-inference-protocol; of Triton: parameters of double
and uint64, and the repository index. ``tests/clients`` compares all with those of its client.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "inference"
SERVICE: Final = f"{PACKAGE}.GRPCInferenceService"

_TENSOR: Final = (
    "string name = 1",
    "string datatype = 2",
    "repeated int64 shape = 3",
    "map parameters = 4",
    "InferTensorContents contents = 5",
)
_DESCRIBED: Final = ("string name = 1", "string datatype = 2", "repeated int64 shape = 3")
_OF_MODEL: Final = ("string name = 1", "string version = 2")

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live = 1",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready = 1",),
    "ModelReadyRequest": _OF_MODEL,
    "ModelReadyResponse": ("bool ready = 1",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": (
        "string name = 1",
        "string version = 2",
        "repeated string extensions = 3",
    ),
    "ModelMetadataRequest": _OF_MODEL,
    "ModelMetadataResponse": (
        "string name = 1",
        "repeated string versions = 2",
        "string platform = 3",
        "repeated ModelMetadataResponse.TensorMetadata inputs = 4",
        "repeated ModelMetadataResponse.TensorMetadata outputs = 5",
    ),
    "ModelMetadataResponse.TensorMetadata": _DESCRIBED,
    "InferParameter": (
        "oneof bool bool_param = 1",
        "oneof int64 int64_param = 2",
        "oneof string string_param = 3",
        "oneof double double_param = 4",
        "oneof uint64 uint64_param = 5",
    ),
    "InferTensorContents": (
        "repeated bool bool_contents = 1",
        "repeated int32 int_contents = 2",
        "repeated int64 int64_contents = 3",
        "repeated uint32 uint_contents = 4",
        "repeated uint64 uint64_contents = 5",
        "repeated float fp32_contents = 6",
        "repeated double fp64_contents = 7",
        "repeated bytes bytes_contents = 8",
    ),
    "ModelInferRequest": (
        "string model_name = 1",
        "string model_version = 2",
        "string id = 3",
        "map parameters = 4",
        "repeated ModelInferRequest.InferInputTensor inputs = 5",
        "repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6",
        "repeated bytes raw_input_contents = 7",
    ),
    "ModelInferRequest.InferInputTensor": _TENSOR,
    "ModelInferRequest.InferRequestedOutputTensor": ("string name = 1", "map parameters = 2"),
    "ModelInferResponse": (
        "string model_name = 1",
        "string model_version = 2",
        "string id = 3",
        "map parameters = 4",
        "repeated ModelInferResponse.InferOutputTensor outputs = 5",
        "repeated bytes raw_output_contents = 6",
    ),
    "ModelInferResponse.InferOutputTensor": _TENSOR,
    "RepositoryIndexRequest": ("string repository_name = 1", "bool ready = 2"),
    "RepositoryIndexResponse": ("repeated RepositoryIndexResponse.ModelIndex models = 1",),
    "RepositoryIndexResponse.ModelIndex": (
        "string name = 1",
        "string version = 2",
        "string state = 3",
        "string reason = 4",
    ),
}
"""Each field as protobuf's language has it; ``map`` is of strings to InferParameter, and ``oneof``
stands before the fields of the message's only one."""

_Field: Final = descriptor_pb2.FieldDescriptorProto
_TYPES: Final = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in ("string", "bytes", "bool", "int32", "int64", "uint32", "uint64", "float", "double")
}


@cache
def messages() -> Mapping[str, Any]:
    """The class of each message, by its name without the package."""
    file = descriptor_pb2.FileDescriptorProto(
        name="pupila/inference.proto", package=PACKAGE, syntax="proto3"
    )
    made: dict[str, Any] = {}
    # A message comes before those within it.
    for name in sorted(FIELDS, key=lambda name: name.count(".")):
        outer, _, inner = name.rpartition(".")
        made[name] = made[outer].nested_type.add() if outer else file.message_type.add()
        made[name].name = inner
        for field in FIELDS[name]:
            _add(made[name], name, *field.rpartition(" = ")[::2])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in FIELDS
    }


def _add(message: Any, owner: str, declared: str, number: str) -> None:
    *labels, name = declared.split()
    field = message.field.add(name=name, number=int(number), label=_Field.LABEL_OPTIONAL)
    kind = labels[-1]
    if "oneof" in labels:
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind == "map":
        entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        _add(entry, owner, "string key", "1")
        _add(entry, owner, "InferParameter value", "2")
        kind = f"{owner}.{entry.name}"
    if kind == "map" or "repeated" in labels or kind.endswith("Entry"):
        field.label = _Field.LABEL_REPEATED
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
