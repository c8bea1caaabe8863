"""ONNX networks as others export them, small enough to be made within a test."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.offline.surgery import Cut

node = helper.make_node


def network(
    head: Sequence[Any],
    layout: str = "NCHW",
    sides: tuple[int | str, int | str] = (16, 16),
    batch: str | int = "N",
    kind: int = TensorProto.FLOAT,
    before: Sequence[Any] = (),
    channels: int = 3,
    opset: int = 17,
    outputs: Sequence[str] = ("out",),
    constants: Mapping[str, Any] | None = None,
    texts: Sequence[str] = (),
) -> bytes:
    """A convolution and ``head``, nodes from "places", [N, 8, 16, 16], to ``outputs``; ``before``:
    nodes from "image" to "scaled"; ``texts``: other inputs."""
    random = np.random.default_rng(0)
    weights: dict[str, NDArray[Any]] = {
        "kernel": random.normal(0, 0.5, (8, channels, 3, 3)),
        "dense": random.normal(0, 0.7, (8, 5)),
        "bias": random.normal(0, 0.1, 5),
        "projection": random.normal(0, 0.7, (8, 6)),
        "scale": np.array(1 / 255),
    }
    weights = {name: array.astype(np.float32) for name, array in weights.items()}
    weights |= {name: np.asarray(array) for name, array in (constants or {}).items()}
    flow = "image" if not before else "scaled"
    nodes = [*before]
    if layout == "NHWC":
        nodes.append(node("Transpose", [flow], ["chw"], perm=[0, 3, 1, 2]))
        flow = "chw"
    nodes.append(node("Conv", [flow, "kernel"], ["places"], pads=[1, 1, 1, 1]))
    shape = [batch, channels, *sides] if layout == "NCHW" else [batch, *sides, channels]
    graph = helper.make_graph(
        [*nodes, *head],
        "network",
        [
            helper.make_tensor_value_info("image", kind, shape),
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8]) for name in texts),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def pooled(to: str = "flat") -> list[Any]:
    """The global average, [N, 8]."""
    return [
        node("GlobalAveragePool", ["places"], ["averages"]),
        node("Flatten", ["averages"], [to]),
    ]


def classifier() -> list[Any]:
    return [
        *pooled(),
        node("Gemm", ["flat", "dense", "bias"], ["logits"]),
        node("Softmax", ["logits"], ["out"]),
    ]


def tokens(count: int = 256) -> tuple[list[Any], dict[str, Any]]:
    """The places as [N, count, 8], the constants for it."""
    head = [
        node("Reshape", ["places", "rows"], ["flat"]),
        node("Transpose", ["flat"], ["all"], perm=[0, 2, 1]),
        node("Slice", ["all", "zero", "count", "one"], ["out"]),
    ]
    constants = {"rows": [0, 8, -1], "zero": [0], "one": [1], "count": [count]}
    return head, {name: np.array(values, np.int64) for name, values in constants.items()}


def facts(found: Cut) -> dict[str, str]:
    return {fact.name: fact.value for fact in found.facts}


def reasons(found: Cut) -> dict[str, str]:
    return {fact.name: fact.reason for fact in found.facts}
