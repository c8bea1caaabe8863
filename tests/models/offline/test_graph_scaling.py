from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from models.offline.surgery import cut
from tests.networks import classifier, network, node, reasons

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
CONSTANTS: dict[str, Any] = {
    "mean": MEAN.reshape(1, 3, 1, 1),
    "std": STD.reshape(3, 1, 1),
    "mean255": 255 * MEAN.reshape(1, 3, 1, 1),
    "flat255": 255 * MEAN,
    "flat_std": STD,
    "variance255": (255 * STD) ** 2,
    "negative255": -255 * MEAN.reshape(1, 3, 1, 1),
    "image255": np.full((1, 3, 16, 16), 120, np.float32),
    "ones": np.ones(3, np.float32),
    "zeros": np.zeros(3, np.float32),
    "two": np.float32(2),
    "one": np.float32(1),
    "byte": np.float32(255),
    "half_byte": np.float32(127.5),
    "half_and_more": np.full(3, 0.5, np.float16),
}
CAST = node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT)
WANTED: dict[str, tuple[str, list[Any]]] = {
    "nothing": ("imagenet", [node("Identity", ["image"], ["scaled"])]),
    "less-mean-by-deviation": (
        "0-1",
        [node("Sub", ["image", "mean"], ["a"]), node("Div", ["a", "std"], ["scaled"])],
    ),
    "to-minus-one": (
        "0-1",
        [node("Mul", ["two", "image"], ["a"]), node("Sub", ["a", "one"], ["scaled"])],
    ),
    "mean-of-a-cast-constant": (
        "0-1",
        [
            node("Cast", ["half_and_more"], ["f"], to=TensorProto.FLOAT),
            node("Unsqueeze", ["f", "axes"], ["u"]),
            node("Sub", ["image", "u"], ["scaled"]),
        ],
    ),
    "cast-div": ("0-255", [CAST, node("Div", ["cast", "byte"], ["scaled"])]),
    "bytes-to-minus-one": (
        "0-255",
        [node("Div", ["image", "half_byte"], ["a"]), node("Sub", ["a", "one"], ["scaled"])],
    ),
    "bytes-then-mean": (
        "0-255",
        [
            node("Div", ["image", "byte"], ["a"]),
            node("Sub", ["a", "mean"], ["b"]),
            node("Div", ["b", "std"], ["scaled"]),
        ],
    ),
    "caffe": ("0-255", [node("Sub", ["image", "mean255"], ["scaled"])]),
    "add-of-less": ("0-255", [node("Add", ["negative255", "image"], ["scaled"])]),
    "mean-image": ("0-255", [node("Sub", ["image", "image255"], ["scaled"])]),
    "normalization": (
        "0-255",
        [
            node(
                "BatchNormalization",
                ["image", "ones", "zeros", "flat255", "variance255"],
                ["scaled"],
            )
        ],
    ),
    "normalization-of-what-is-normal": (
        "imagenet",
        [node("BatchNormalization", ["image", "ones", "zeros", "zeros", "ones"], ["scaled"])],
    ),
    "from-imagenet-to-minus-one": (
        # As the Inception networks of torchvision: each color of what is less ImageNet's mean.
        "imagenet",
        [
            node("Mul", ["image", "std"], ["a"]),
            node("Mul", ["a", "two"], ["scaled"]),
        ],
    ),
    "a-branch": (
        "imagenet",
        [
            node("Div", ["image", "byte"], ["a"]),
            node("Sigmoid", ["image"], ["b"]),
            node("Add", ["a", "b"], ["scaled"]),
        ],
    ),
}


@pytest.mark.parametrize("case", WANTED)
def test_what_the_graph_begins_with_says_its_values(case: str) -> None:
    expected, before = WANTED[case]
    constants = CONSTANTS | {"axes": np.array([0, 2, 3])}
    assert cut(network(classifier(), before=before, constants=constants)).values == expected


def test_constants_of_channels_last_are_followed_through_the_transposition() -> None:
    before = [node("Sub", ["image", "flat255"], ["scaled"])]
    found = cut(network(classifier(), layout="NHWC", before=before, constants=CONSTANTS))
    assert found.values == "0-255"
    head = [node("Transpose", ["image"], ["t"], perm=[0, 3, 1, 2])]
    head += [
        node("Div", ["t", "byte"], ["u"]),
        node("Transpose", ["u"], ["scaled"], perm=[0, 2, 3, 1]),
    ]
    found = cut(network(classifier(), layout="NHWC", before=head, constants=CONSTANTS))
    assert found.values == "0-255"


def test_the_reason_says_what_becomes_of_the_values() -> None:
    before = WANTED["to-minus-one"][1]
    found = cut(network(classifier(), before=before, constants=CONSTANTS))
    assert reasons(found)["values"] == "the graph begins with Mul, Sub: these become -1 to 1"


def test_bytes_are_taken_as_they_are() -> None:
    found = cut(
        network(
            classifier(), kind=TensorProto.UINT8, before=[node("Cast", ["image"], ["scaled"], to=1)]
        )
    )
    assert (found.values, found.input_type) == ("0-255", "uint8")
