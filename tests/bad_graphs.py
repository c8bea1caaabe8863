"""Graphs that must not run: each would never end, fill the memory, or read something else."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURES = 64


def model(nodes: list[Any], constants: dict[str, Any] | None = None, **extra: Any) -> Any:
    """A ModelProto of 64 features and 10 scores."""
    graph = helper.make_graph(
        nodes,
        "bad",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", FEATURES])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, ir_version=8, opset_imports=opsets, **extra)


def linear() -> list[Any]:
    return [helper.make_node("MatMul", ["features", "weights"], ["scores"])]


WEIGHTS = {"weights": np.zeros((FEATURES, 10), np.float32)}


def endless_loop() -> Any:
    """A loop of 2^62 rounds, as its input and as its condition have it."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Identity", ["carried"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    loop = helper.make_node("Loop", ["rounds", "true", "features"], ["looped"], body=body)
    rest = helper.make_node("MatMul", ["looped", "weights"], ["scores"])
    constants = {"rounds": np.int64(2**62), "true": np.bool_(True), **WEIGHTS}
    return model([loop, rest], constants)


def branches() -> Any:
    branch = helper.make_graph(
        linear(), "branch", [], [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)]
    )
    node = helper.make_node("If", ["true"], ["scores"], then_branch=branch, else_branch=branch)
    return model([node], {"true": np.bool_(True), **WEIGHTS})


def hidden_subgraph() -> Any:
    """A graph as an attribute of an operator that has none."""
    [node] = linear()
    node.attribute.append(helper.make_attribute("body", endless_loop().graph))
    return model([node], WEIGHTS)


def own_function() -> Any:
    """An operator that the model itself defines, under the name of an allowed one."""
    opset = [helper.make_opsetid("", 18)]
    function = helper.make_function("", "MatMul", ["a", "b"], ["c"], linear(), opset)
    return model(linear(), WEIGHTS, functions=[function])


def external_data() -> Any:
    made = model(linear(), WEIGHTS)
    [weights] = made.graph.initializer
    onnx.external_data_helper.set_external_data(weights, location="/etc/passwd")
    weights.ClearField("raw_data")
    return made


def size_from_the_image() -> Any:
    """As many zeros as the image says."""
    nodes = [
        helper.make_node("Cast", ["features"], ["counts"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["counts", "flat"], ["sizes"]),
        helper.make_node("ConstantOfShape", ["sizes"], ["many"]),
        helper.make_node("ReduceMax", ["many"], ["one"], keepdims=0),
        helper.make_node("MatMul", ["features", "weights"], ["linear"]),
        helper.make_node("Add", ["linear", "one"], ["scores"]),
    ]
    return model(nodes, {"flat": np.array([-1]), **WEIGHTS})


def size_from_an_input_with_a_default() -> Any:
    """The image itself, declared as a constant too."""
    made = size_from_the_image()
    default = np.zeros((1, FEATURES), np.float32)
    made.graph.initializer.append(numpy_helper.from_array(default, "features"))
    return made


def unknown_operator() -> Any:
    return model([helper.make_node("Range", ["features", "features", "features"], ["scores"])])


REFUSED = {
    "the operator Loop": endless_loop,
    "the operator If": branches,
    "the operator Range": unknown_operator,
    "subgraphs or functions": own_function,
    "subgraphs or functions ": hidden_subgraph,
    "external data": external_data,
    "an output of ConstantOfShape whose size depends on the image": size_from_the_image,
    "an output of ConstantOfShape whose size": size_from_an_input_with_a_default,
}


def long_work() -> bytes:
    """Allowed operators that multiply matrices of 6000x6000 for minutes, once it is loaded."""
    nodes = [helper.make_node("Expand", ["one", "large"], ["m0"])]
    nodes += [
        helper.make_node("MatMul", [f"m{number}", "m0"], [f"m{number + 1}"])
        for number in range(200)
    ]
    return _with_constant(nodes, "m200", [6000, 6000])


def large_memory() -> bytes:
    """Allowed operators that ask for 4 TB."""
    return _with_constant(
        [helper.make_node("Expand", ["one", "large"], ["huge"])], "huge", [2**20, 2**20]
    )


def _with_constant(nodes: list[Any], last: str, size: list[int]) -> bytes:
    constants = {"one": np.ones((1, 1), np.float32), "large": np.array(size), **WEIGHTS}
    nodes = [
        *nodes,
        helper.make_node("ReduceMax", [last], ["extra"], keepdims=0),
        helper.make_node("MatMul", ["features", "weights"], ["linear"]),
        helper.make_node("Add", ["linear", "extra"], ["scores"]),
    ]
    return bytes(model(nodes, constants).SerializeToString())
