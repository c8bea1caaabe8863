import numpy as np
import pytest
from onnx import TensorProto

from errors import ConversionError
from models.offline.surgery import cut
from tests.networks import classifier, facts, network, node, pooled, reasons


def test_a_projection_without_a_bias_is_no_classifier() -> None:
    content = network([*pooled(), node("MatMul", ["flat", "projection"], ["out"])])
    assert facts(cut(content))["output"] == "out"


def test_an_unknown_tensor_is_named() -> None:
    with pytest.raises(ConversionError, match="no tensor 'nothing'; its outputs are out"):
        cut(network(classifier()), output="nothing")


def test_an_output_that_is_called_an_embedding_is_no_classifier() -> None:
    head = [*pooled(), node("Gemm", ["flat", "dense", "bias"], ["embedding"])]
    assert facts(cut(network(head, outputs=["embedding"])))["output"] == "embedding"


def test_a_classifier_whose_weights_are_transposed_is_cut_off() -> None:
    head = [
        *pooled(),
        node("Transpose", ["wide"], ["weights"], perm=[1, 0]),
        node("MatMul", ["flat", "weights"], ["sums"]),
        node("Add", ["sums", "bias"], ["logits"]),
        node("Softmax", ["logits"], ["out"]),
    ]
    content = network(head, constants={"wide": np.ones((5, 8), np.float32)})
    assert facts(cut(content))["output"] == "flat"


def test_a_classifier_whose_weights_are_packed_is_cut_off() -> None:
    head = [
        *pooled(),
        node("DequantizeLinear", ["int8", "step", "zero"], ["unpacked"]),
        node("Cast", ["bias16"], ["wide_bias"], to=TensorProto.FLOAT),
        node("Gemm", ["flat", "unpacked", "wide_bias"], ["out"]),
    ]
    constants = {
        "int8": np.ones((8, 5), np.int8),
        "step": np.float32(0.1),
        "zero": np.int8(0),
        "bias16": np.ones(5, np.float16),
    }
    assert facts(cut(network(head, constants=constants)))["output"] == "flat"


def test_outputs_that_an_image_alone_decides_come_first() -> None:
    head = [
        *pooled("image_embeds"),
        node("Relu", ["text"], ["text_embeds"]),
        node("Mul", ["image_embeds", "text_embeds"], ["similarity"]),
    ]
    outputs = ["similarity", "text_embeds", "image_embeds"]
    found = cut(network(head, outputs=outputs, texts=["text"]))
    assert facts(found)["output"] == "image_embeds"
    assert reasons(found)["output"] == "of the outputs that an image alone decides"


def test_an_output_that_needs_a_text_is_refused() -> None:
    head = [*pooled(), node("Mul", ["flat", "text"], ["out"])]
    with pytest.raises(ConversionError, match="out needs the inputs text, too"):
        cut(network(head, texts=["text"]))
