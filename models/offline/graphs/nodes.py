"""Nodes of a graph under construction, and the finished model."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
from numpy.typing import ArrayLike, DTypeLike
from onnx import TensorProto, helper, numpy_helper

from models.manifest import Output

INPUT = "features"
LABEL = "label_index"

# Every ONNX Runtime since 1.14 loads opset 18 with IR 8; skl2onnx writes both.
OPSETS = {"": 18, "ai.onnx.ml": 3}
IR_VERSION = 8


class Outputs(NamedTuple):
    """The names of a graph's outputs: float32 [N, C] of the given kind, and int64 [N] if the
    predicted label is not always the first maximum of it."""

    kind: Output
    scores: str
    label: str | None = None


class Nodes:
    """Nodes and constants in the order they were added.

    Their names are numbered, so that the same calls give the same bytes. ``grafted``: how many
    parts are of others.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.grafted = 0

    def constant(self, values: ArrayLike, dtype: DTypeLike = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(values, dtype=dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """Append an operator; returns the name of its last output."""
        names = [f"{kind.lower()}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[-1]

    def graft(self, nodes: Sequence[Any], constants: Sequence[Any], value: str, output: str) -> str:
        """Append a graph of others, with ``value`` in place of its input; returns its output."""
        self.grafted += 1
        own = {name for node in nodes for name in node.output} | {one.name for one in constants}
        names = {name: f"part_{self.grafted}_{name}" for name in own} | {INPUT: value}
        for constant in constants:
            copied = onnx.TensorProto()
            copied.CopyFrom(constant)
            copied.name = names[constant.name]
            self.constants.append(copied)
        for node in nodes:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            copied.name = node.name and f"part_{self.grafted}_{node.name}"
            copied.input[:] = [names.get(name, name) for name in node.input]
            copied.output[:] = [names.get(name, name) for name in node.output]
            self.nodes.append(copied)
        return names[output]

    def columns(self, value: str, indices: ArrayLike) -> str:
        """Some columns of [N, C], as [N, len(indices)]."""
        return self.add("Gather", value, self.constant(indices, np.int64), axis=1)

    def cast(self, value: str, dtype: Literal["float", "double"]) -> str:
        return self.add(
            "Cast", value, to=TensorProto.DOUBLE if dtype == "double" else TensorProto.FLOAT
        )


def finish(
    nodes: Sequence[Any],
    constants: Sequence[Any],
    outputs: Outputs,
    n_features: int,
    n_classes: int,
) -> Any:
    """The ModelProto with the names and shapes of ``Graph``, without unused nodes."""
    graph = onnx.GraphProto(name="classifier")
    needed = {outputs.scores, outputs.label}
    kept: list[Any] = []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constant for constant in constants if constant.name in needed)
    names = {outputs.scores: str(outputs.kind)}
    if outputs.label is not None:
        names[outputs.label] = LABEL
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", n_features]))
    graph.output.append(
        helper.make_tensor_value_info(outputs.kind, TensorProto.FLOAT, ["N", n_classes])
    )
    if outputs.label is not None:
        graph.output.append(helper.make_tensor_value_info(LABEL, TensorProto.INT64, ["N"]))
    used = {node.domain for node in graph.node}
    return helper.make_model(
        graph,
        producer_name="pupila",
        ir_version=IR_VERSION,
        opset_imports=[
            helper.make_opsetid(domain, number)
            for domain, number in OPSETS.items()
            if domain in used
        ],
    )
