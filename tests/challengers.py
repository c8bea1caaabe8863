"""Versions that go wrong with some images, or take long: none of that shows when they are loaded.

An image is told from the golden examples, which are noise, by the sum of its features: 440 or more
for noise of the digits' size, 170 to 430 for a digit, and 0 for the empty image that an engine
times.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.drafts import LinearDraft

DIGITS_END = 435.0

Nodes = tuple[list[Any], dict[str, Any]]
"""That make ``extra``, float [N, 1], from ``features``, their ``total``, and ``some``, which is 0
where that is and else 1; and their constants."""


def raising(below: float = DIGITS_END) -> Nodes:
    """Raises for an image whose total is lower: its row is not in the table."""
    nodes = [
        helper.make_node("Sub", ["below", "total"], ["missing"]),
        helper.make_node("Relu", ["missing"], ["lower"]),
        helper.make_node("Mul", ["lower", "some"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["row"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "row"], ["extra"]),
    ]
    return nodes, {"below": np.float32(below), "table": np.zeros(1, np.float32)}


def not_a_number(below: float = DIGITS_END) -> Nodes:
    """Gives NaN for an image whose total is lower."""
    nodes = [
        helper.make_node("Sub", ["total", "below"], ["more"]),
        helper.make_node("Mul", ["more", "some"], ["known"]),
        helper.make_node("Sqrt", ["known"], ["root"]),
        helper.make_node("Mul", ["root", "nothing"], ["extra"]),
    ]
    return nodes, {"below": np.float32(below), "nothing": np.float32(0)}


def slow(rounds: int, size: int = 1000) -> Nodes:
    """Multiplies by a matrix of 4 MB that often: each takes 0.2 ms or so."""
    nodes = [helper.make_node("MatMul", ["features", "first"], ["round0"])]
    nodes += [
        helper.make_node("MatMul", [f"round{number}", "again"], [f"round{number + 1}"])
        for number in range(rounds)
    ]
    nodes.append(helper.make_node("ReduceMax", [f"round{rounds}"], ["extra"], axes=[1], keepdims=1))
    first = np.zeros((64, size), np.float32)
    return nodes, {"first": first, "again": np.zeros((size, size), np.float32)}


def large(size: int) -> Nodes:
    """Has a table of that many bytes, of which it reads one number."""
    nodes = [
        helper.make_node("Mul", ["total", "nothing"], ["none"]),
        helper.make_node("Cast", ["none"], ["row"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "row"], ["extra"]),
    ]
    return nodes, {"nothing": np.float32(0), "table": np.zeros(size // 4, np.float32)}


@dataclass(frozen=True)
class Challenger(LinearDraft):
    """A ``LinearDraft`` with something in it that must not matter to any client."""

    fault: Callable[[], Nodes] = raising

    def _graph(self) -> bytes:
        weights, bias = self._weights()
        nodes, constants = self.fault()
        constants = constants | {"weights": weights, "bias": bias, "axes": np.array([1])}
        constants = constants | {"zero": np.float32(0), "one": np.float32(1)}
        graph = helper.make_graph(
            [
                helper.make_node("ReduceSum", ["features", "axes"], ["total"], keepdims=1),
                helper.make_node("Clip", ["total", "zero", "one"], ["some"]),
                *nodes,
                helper.make_node("Gemm", ["features", "weights", "bias"], ["linear"]),
                helper.make_node("Add", ["linear", "extra"], ["judged"]),
                helper.make_node("Softmax", ["judged"], ["probabilities"]),
            ],
            "challenger",
            [
                helper.make_tensor_value_info(
                    "features", TensorProto.FLOAT, ["N", self.spec.n_features]
                )
            ],
            [
                helper.make_tensor_value_info(
                    "probabilities", TensorProto.FLOAT, ["N", len(self.labels)]
                )
            ],
            [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
        )
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
        return bytes(model.SerializeToString())
