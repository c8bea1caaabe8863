from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, load_model_from_string, numpy_helper

from errors import ArtifactError, ConversionError
from images.spec import ImageSpec
from models.offline.bringing_extractor import Brought, Wish, bring
from models.offline.graph_reader import Sides
from models.offline.surgery import OUTPUT, Cut, cut
from models.store import Store
from tests.extractors import tiny_graph


def network(
    head: Sequence[Any],
    layout: str = "NCHW",
    sides: tuple[int, int] = (16, 16),
    batch: str | int = "N",
    kind: int = TensorProto.FLOAT,
    before: Sequence[Any] = (),
) -> bytes:
    """A convolution and ``head``, nodes from "places", [N, 8, 16, 16], to "out"."""
    random = np.random.default_rng(0)
    weights = {
        "kernel": random.normal(0, 0.5, (8, 3, 3, 3)),
        "dense": random.normal(0, 0.7, (8, 5)),
        "bias": random.normal(0, 0.1, 5),
        "projection": random.normal(0, 0.7, (8, 6)),
        "scale": np.array(1 / 255),
    }
    flow = "image" if not before else "scaled"
    nodes = [*before]
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [flow], ["chw"], perm=[0, 3, 1, 2]))
        flow = "chw"
    nodes.append(helper.make_node("Conv", [flow, "kernel"], ["places"], pads=[1, 1, 1, 1]))
    shape = [batch, 3, *sides] if layout == "NCHW" else [batch, *sides, 3]
    graph = helper.make_graph(
        [*nodes, *head],
        "network",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in weights.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def classifier() -> list[Any]:
    return [
        helper.make_node("GlobalAveragePool", ["places"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["out"]),
    ]


def facts(found: Cut) -> dict[str, str]:
    return {fact.name: fact.value for fact in found.facts}


def test_the_classifier_is_cut_off() -> None:
    found = cut(network(classifier()))
    assert facts(found)["output"] == "flat"
    kept = {one.name for one in load_model_from_string(found.graph).graph.initializer}
    assert "dense" not in kept
    assert found.sides == Sides("NCHW", 16, 16, 3)


def test_a_projection_without_a_bias_is_no_classifier() -> None:
    head = [
        helper.make_node("GlobalAveragePool", ["places"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "projection"], ["out"]),
    ]
    assert facts(cut(network(head)))["output"] == "out"


def test_any_tensor_can_be_the_output() -> None:
    found = cut(network(classifier()), output="places")
    assert facts(found) | {"output": "places", "pooling": "the mean over places"} == facts(found)


def test_an_unknown_tensor_is_named() -> None:
    with pytest.raises(ConversionError, match="no tensor 'nothing'; its outputs are out"):
        cut(network(classifier()), output="nothing")


def test_the_first_token_is_taken() -> None:
    head = [
        helper.make_node("Flatten", ["places"], ["flat"], axis=2),
        helper.make_node("Squeeze", ["flat"], ["squeezed"]),
        helper.make_node("Transpose", ["squeezed"], ["out"], perm=[0, 2, 1]),
    ]
    content = network(head, sides=(1, 4))
    tokens = [
        helper.make_node("Reshape", ["places", "shape"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["out"], perm=[0, 2, 1]),
    ]
    model = load_model_from_string(content)
    del model.graph.node[1:]
    model.graph.node.extend(tokens)
    model.graph.initializer.append(numpy_helper.from_array(np.array([0, 8, 4]), "shape"))
    found = cut(model.SerializeToString())
    assert facts(found)["pooling"] == "the first token"
    assert facts(cut(model.SerializeToString(), pool="mean"))["pooling"] == "the mean of all tokens"


def test_channels_last_are_seen() -> None:
    found = cut(network(classifier(), layout="NHWC"))
    assert found.sides == Sides("NHWC", 16, 16, 3)


def test_bytes_are_taken_as_they_are() -> None:
    before = [helper.make_node("Cast", ["image"], ["scaled"], to=TensorProto.FLOAT)]
    found = cut(network(classifier(), kind=TensorProto.UINT8, before=before))
    assert (found.raw, found.input_type) == (True, "uint8")


def test_a_graph_that_scales_gets_raw_values() -> None:
    before = [helper.make_node("Mul", ["image", "scale"], ["scaled"])]
    assert cut(network(classifier(), before=before)).raw
    assert not cut(network(classifier())).raw


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
    head = [*classifier()[:2], helper.make_node("Loop", ["", ""], ["out"], body=body)]
    head.append(helper.make_node("Identity", ["flat"], ["kept"]))
    with pytest.raises(ConversionError, match="operator Loop, which"):
        cut(network([*head, helper.make_node("Add", ["flat", "out"], ["sum"])]), output="sum")


def bring_file(tmp_path: Path, content: bytes, **wish: Any) -> Brought:
    path = tmp_path / "My Net.onnx"
    path.write_bytes(content)
    return bring(Store(tmp_path / "models"), path, Wish(**wish))


def test_a_file_becomes_an_extractor(tmp_path: Path) -> None:
    found = bring_file(tmp_path, network(classifier()), license="MIT", source="me")
    manifest = found.extractor.manifest
    assert (manifest.name, manifest.dimension, manifest.output_name) == ("my-net", 8, OUTPUT)
    assert manifest.image_spec == ImageSpec.parse("rgb-16x16:bicubic:imagenet:chw:reduced")
    assert found.extractor.open().dimension == 8


def test_a_graph_for_one_image_runs_one_at_a_time(tmp_path: Path) -> None:
    head = [
        helper.make_node("GlobalAveragePool", ["places"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "one"], ["out"]),
    ]
    model = load_model_from_string(network(head, batch=1))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 8]), "one"))
    found = bring_file(tmp_path, model.SerializeToString())
    assert found.extractor.manifest.batch == 1
    spec = found.extractor.manifest.image_spec
    pixels = np.random.default_rng(0).integers(0, 256, (3, spec.n_features), np.uint8)
    assert found.extractor.open().run(spec.features(pixels)).shape == (3, 8)


def test_an_image_spec_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="takes images of 16x16"):
        bring_file(tmp_path, network(classifier()), image_spec="rgb-32x32:chw")


def test_an_image_spec_of_another_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="takes images of 16x16 with 3 channels as CHW"):
        bring_file(tmp_path, network(classifier()), image_spec="rgb-16x16")


def test_noise_in_a_batch_is_refused(tmp_path: Path) -> None:
    # The mean over the batch: an image in company has another embedding than alone.
    head = [
        helper.make_node("GlobalAveragePool", ["places"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["out"]),
    ]
    with pytest.raises(ConversionError, match="another embedding in a batch than alone"):
        bring_file(tmp_path, network(head))


def test_the_tiny_one_of_the_tests_can_be_brought(tmp_path: Path) -> None:
    assert bring_file(tmp_path, tiny_graph(), output="embedding").extractor.manifest.dimension == 12
