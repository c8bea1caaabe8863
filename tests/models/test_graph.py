"""Graphs are judged by their bytes, before ONNX Runtime sees them."""

import contextlib
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

from errors import ArtifactError
from models.graph import MAX_NODES, Contents
from models.offline.conversion import convert
from models.runtime import OnnxRuntime
from tests.bad_graphs import REFUSED, WEIGHTS, endless_loop, linear, model


@pytest.mark.parametrize("fault", REFUSED)
def test_what_may_not_run_does_not(fault: str) -> None:
    content = REFUSED[fault]().SerializeToString()
    with pytest.raises(ArtifactError, match=f"The graph cannot be used: it has {fault.strip()}"):
        OnnxRuntime(content)


def test_what_it_reads_is_what_onnx_reads() -> None:
    images, targets = load_digits(return_X_y=True)
    for estimator in (SVC(), RandomForestClassifier(20, random_state=0)):
        content = convert(estimator.fit(images.astype(np.float32), targets), 64).model
        expected = onnx.load_model_from_string(content).graph
        contents = Contents.of(content)
        assert contents.fault is None
        assert [node.outputs for node in contents.nodes] == [
            tuple(name.encode() for name in node.output) for node in expected.node
        ]
        assert contents.constants == {tensor.name.encode() for tensor in expected.initializer}


def with_numbers(numbers: list[int], floats: list[float], texts: list[str]) -> Any:
    [node] = linear()
    for name, values in (("ints", numbers), ("floats", floats), ("strings", texts)):
        if values:
            node.attribute.append(helper.make_attribute(name, values))
    return model([node, helper.make_node("Identity", ["scores"], ["same"])], WEIGHTS)


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=300),
    st.lists(st.floats(width=32), max_size=300),
    st.lists(st.sampled_from(["LEAF", "BRANCH_LEQ", "", "other"]), max_size=300),
)
def test_runs_of_numbers_are_passed_over(
    numbers: list[int], floats: list[float], texts: list[str]
) -> None:
    contents = Contents.of(with_numbers(numbers, floats, texts).SerializeToString())
    assert contents.operators == ("Identity", "MatMul")


def test_a_run_longer_than_its_window() -> None:
    numbers = [2 ** (number % 63) for number in range(100_000)]
    made = with_numbers(numbers, [float(number) for number in numbers], ["LEAF"] * 100_000)
    assert Contents.of(made.SerializeToString()).operators == ("Identity", "MatMul")


def test_a_subgraph_behind_a_run_is_found() -> None:
    made = with_numbers(list(range(100_000)), [1.0] * 100_000, [])
    made.graph.node[0].attribute.append(helper.make_attribute("body", made.graph))
    assert Contents.of(made.SerializeToString()).subgraphs


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(ArtifactError):
        Contents.of(content)


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_graph_that_was_cut_off(cut: int) -> None:
    content = model(linear(), WEIGHTS).SerializeToString()
    with pytest.raises(ArtifactError, match="is not valid ONNX"):
        Contents.of(content[:-cut])


def test_more_operators_than_any_graph_has() -> None:
    nodes = [helper.make_node("Identity", ["features"], ["x"])] * (MAX_NODES + 1)
    fault = Contents.of(model(nodes).SerializeToString()).fault
    assert fault == "100,001 operators; the limit is 100,000"


@pytest.mark.parametrize("name", ["Bad\x1b[2J", "x" * 101])
def test_a_name_that_nobody_gives_an_operator(name: str) -> None:
    made = model([helper.make_node(name, ["features"], ["scores"])])
    with pytest.raises(ArtifactError, match="is not valid ONNX"):
        Contents.of(made.SerializeToString())


def test_a_graph_in_two_parts_has_both() -> None:
    """As Protocol Buffers merge them."""
    content = model(linear(), WEIGHTS).SerializeToString() + endless_loop().SerializeToString()
    assert "Loop" in Contents.of(content).operators
