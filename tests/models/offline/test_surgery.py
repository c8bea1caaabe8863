import numpy as np
import pytest
from onnx import TensorProto, helper, load_model_from_string

from errors import ArtifactError, ConversionError
from models.extractor_operators import EXTRACTOR_OPERATORS
from models.offline.graph_reader import Sides
from models.offline.surgery import OUTPUT, cut
from models.session import open_session
from tests.networks import classifier, facts, network, node, pooled


def test_the_classifier_is_cut_off() -> None:
    found = cut(network(classifier()))
    assert facts(found)["output"] == "flat"
    kept = {one.name for one in load_model_from_string(found.graph).graph.initializer}
    assert "dense" not in kept
    assert found.sides == Sides("NCHW", 16, 16, 3)


def test_any_tensor_can_be_the_output() -> None:
    found = cut(network(classifier()), output="places")
    assert facts(found) | {"output": "places", "pooling": "the mean over places"} == facts(found)


def test_channels_last_are_seen() -> None:
    found = cut(network(classifier(), layout="NHWC"))
    assert found.sides == Sides("NHWC", 16, 16, 3)


def test_a_file_that_is_not_onnx_is_refused() -> None:
    with pytest.raises(ArtifactError, match="not valid ONNX"):
        cut(b"nothing of the kind")


def test_weights_in_another_file_are_refused() -> None:
    model = load_model_from_string(network(classifier()))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ConversionError, match="weights are in another file"):
        cut(model.SerializeToString())


def test_loops_are_refused() -> None:
    body = helper.make_graph([], "body", [], [])
    head = [*classifier()[:2], node("Loop", ["", ""], ["out"], body=body)]
    head.append(node("Identity", ["flat"], ["kept"]))
    with pytest.raises(ConversionError, match="operator Loop, which"):
        cut(network([*head, node("Add", ["flat", "out"], ["sum"])]), output="sum")


def test_branches_are_refused_by_their_name() -> None:
    # What a branch takes from outside of it is not seen, so the output depends on no input.
    body = helper.make_graph([node("Identity", ["image"], ["one"])], "body", [], [])
    before = [node("If", ["yes"], ["scaled"], then_branch=body, else_branch=body)]
    with pytest.raises(ConversionError, match="it has the operator If, which"):
        cut(network(classifier(), before=before, constants={"yes": np.array(True)}))


def test_the_names_that_are_added_are_free() -> None:
    head = [
        *pooled("pupila_flat"),
        node("Relu", ["pupila_flat"], ["pupila_embedding"]),
        node("Neg", ["pupila_embedding"], ["out"]),
    ]
    found = cut(network(head))
    assert found.output_name == "pupila_embedding_"
    session = open_session(found.graph, 1, EXTRACTOR_OPERATORS)
    image = np.ones((2, 3, 16, 16), np.float32)
    assert session.run([found.output_name], {"image": image})[0].shape == (2, 8)


@pytest.mark.parametrize("opset", [11, 17, 18, 21])
def test_the_mean_is_written_as_the_opset_has_it(opset: int) -> None:
    found = cut(network([node("Relu", ["places"], ["out"])], opset=opset))
    session = open_session(found.graph, 1, EXTRACTOR_OPERATORS)
    image = np.ones((1, 3, 16, 16), np.float32)
    assert session.run([OUTPUT], {"image": image})[0].shape == (1, 8)
