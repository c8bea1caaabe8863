"""What may be wrong with a request of the Open Inference Protocol: a sentence each."""

import json
from typing import Any

import pytest

from errors import BadRequestError
from serving.oip.request import json_length, parse_request
from tests.serving.oip.asking import (
    DIGIT8,
    FEATURES8,
    HEADER_LENGTH,
    PIXELS8,
    TEXT8,
    binary_tensor,
    elements,
    packed,
    tensor,
)

FILE = elements(DIGIT8)
NUMBERS = FEATURES8.astype("<f4").tobytes()


def refusal(body: bytes, length: int | None = None) -> str:
    with pytest.raises(BadRequestError) as caught:
        parse_request(body, length)
    return str(caught.value)


def of(*inputs: Any, **fields: Any) -> str:
    return refusal(json.dumps({"inputs": list(inputs), **fields}).encode())


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"name": "photo"}, "There is no input 'photo'; send image, features or pixels."),
        ({"name": 5}, "There is no input of another type than a string; send image, features or"),
        ({"datatype": "FP32"}, "The input image takes BYTES, not FP32."),
        ({"datatype": "STRING"}, "The datatype of image must be BYTES, not 'STRING'."),
        ({"datatype": ...}, "The datatype of image must be BYTES, not of another type than a str"),
        ({"shape": ...}, "The shape of image must be an array of 1 to 4 integers, none negative."),
        ({"shape": []}, "The shape of image must be an array of 1 to 4 integers, none negative."),
        ({"shape": [-1]}, "The shape of image must be an array of 1 to 4 integers, none negat"),
        ({"shape": [1.0]}, "The shape of image must be an array of 1 to 4 integers, none negat"),
        ({"shape": [True]}, "The shape of image must be an array of 1 to 4 integers, none nega"),
        ({"shape": [0]}, "The first dimension of image is the number of images, from 1 to 256, no"),
        ({"shape": [2**70]}, "The shape of image must be an array of 1 to 4 integers"),
        ({"shape": [1, 2]}, "The shape of image must be [N] or [N, 1] for N images, not [1, 2]."),
        ({"shape": [2]}, "The data of image has 1 elements, and its shape [2] says 2."),
        ({"data": ...}, "Image data is required"),
        ({"data": [""]}, "Image data is required"),
        ({"data": "a"}, "The data of image must be an array of its elements, flat or nested as"),
        ({"data": [[TEXT8], TEXT8]}, "The data of image must be an array of its elements"),
        ({"data": [[[[[[TEXT8]]]]]]}, "The data of image must be an array of its elements"),
        ({"data": [5]}, "The data of image must be strings of base64."),
        ({"data": ["%"]}, "Invalid image data: it is not base64"),
        ({"parameters": 5}, "The parameters of image must be an object."),
        ({"parameters": {"shared_memory_region": "x"}}, "Shared memory is not supported; send"),
        ({"parameters": {"binary_data_size": "5"}}, "The binary_data_size of image must be a num"),
        ({"parameters": {"binary_data_size": 5}}, "The input image has both data and a binary_da"),
    ],
)
def test_a_wrong_tensor(sent: dict[str, Any], sentence: str) -> None:
    assert of(tensor(**sent) if "name" not in sent else tensor() | sent).startswith(sentence)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (tensor("pixels", data=[256] * 64), "The data of pixels must be integers from 0 to 255."),
        (tensor("pixels", data=[True] * 64), "The data of pixels must be integers from 0 to 255."),
        (tensor("pixels", data=[0.5] * 64), "The data of pixels must be integers from 0 to 255."),
        (tensor("features", data=["1"] * 64), "The data of features must be numbers."),
        (tensor("features", data=[None] * 64), "The data of features must be numbers."),
        (tensor("features", data=[1e300] * 64), "The data of features must be finite."),
        (tensor("features", data=...), "The input features has no data."),
        (tensor("features", shape=[2, 64]), "The data of features has 64 elements, and its shape"),
        (
            tensor("features", shape=[256, 2**60, 2**60, 8]),
            f"The data of features has 64 elements, and its shape [256, {2**60}, {2**60}, 8] says",
        ),
    ],
)
def test_wrong_numbers(sent: dict[str, Any], sentence: str) -> None:
    assert of(sent).startswith(sentence)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"id": 5}, "id must be a string of up to 128 characters."),
        ({"id": "x" * 129}, "id must be a string of up to 128 characters."),
        ({"parameters": []}, "The parameters of a request must be an object."),
        ({"parameters": {"binary_data_output": 1}}, "binary_data_output must be true or false."),
        ({"outputs": {}}, "outputs must be an array of objects with a name."),
        ({"outputs": ["label"]}, "outputs must be an array of objects with a name."),
        (
            {"outputs": [{"name": "x"}]},
            (
                "There is no output 'x'; ask for label, probabilities, prediction_set, known or "
                "embedding."
            ),
        ),
        ({"outputs": [{}] * 6}, "The request asks for 6 outputs; there are 5."),
        (
            {"outputs": [{"name": "prediction_set", "parameters": {"coverage": 1}}]},
            "coverage must be a number between 0 and 1, not 1.",
        ),
        (
            {"outputs": [{"name": "known", "parameters": {"coverage": 0.9}}]},
            "coverage is for the output prediction_set, not for known.",
        ),
        (
            {"outputs": [{"name": "label", "parameters": {"classification": 2}}]},
            "classification is for the output probabilities, not for label.",
        ),
        (
            {"outputs": [{"name": "probabilities", "parameters": {"classification": -1}}]},
            "classification must be a number of labels.",
        ),
        (
            {"outputs": [{"name": "label", "parameters": {"binary_data": "yes"}}]},
            "binary_data must be true or false.",
        ),
        (
            {"outputs": [{"name": "label", "parameters": {"shared_memory_region": "a"}}]},
            "Shared memory is not supported; leave it out of the outputs.",
        ),
    ],
)
def test_a_wrong_request(fields: dict[str, Any], sentence: str) -> None:
    assert of(tensor(), **fields) == sentence


def test_not_one_input() -> None:
    wanted = "inputs must be an array with one object, the tensor to classify."
    for body in (b"{}", b'{"inputs":[]}', b'{"inputs":{}}', b'{"inputs":[5]}'):
        assert refusal(body) == wanted
    assert of(tensor(), tensor("pixels")).startswith("Send one input")


def binary_refusal(name: str, content: bytes, sent: bytes, **changes: Any) -> str:
    """Of a tensor that says ``content`` follows, where ``sent`` does."""
    body, headers = packed({"inputs": [binary_tensor(name, content, **changes)]}, sent)
    return refusal(body, int(headers[HEADER_LENGTH]))


@pytest.mark.parametrize(
    ("content", "changes", "sentence"),
    [
        (FILE[:-1], {}, f"Element 1 of image says that it has {len(DIGIT8)} bytes, and "),
        (FILE + b"x", {}, "After the 1 elements of image that its shape says, 1 bytes follow."),
        (FILE, {"shape": [2]}, "image has 1 elements, and its shape says 2."),
        (FILE + b"\xff\xff\xff\xff", {"shape": [2]}, "Element 2 of image says that it has 4294967"),
        (FILE + b"\xff", {"shape": [2]}, "image has 1 elements, and its shape says 2."),
        (b"", {}, "image has 0 elements, and its shape says 1."),
        (elements(b""), {}, "Image data is required"),
        (elements(DIGIT8, b""), {"shape": [2]}, "Image data is required (image 2 of 2)"),
        (elements(b"hello"), {}, "Invalid image data: "),
    ],
)
def test_lengths_that_lie(content: bytes, changes: dict[str, Any], sentence: str) -> None:
    assert binary_refusal("image", content, content, **changes).startswith(sentence)


def test_a_size_that_lies() -> None:
    assert binary_refusal("features", NUMBERS, NUMBERS[:-4]) == (
        "252 bytes follow the request's JSON, and the binary_data_size of features says 256."
    )
    assert binary_refusal("features", NUMBERS, NUMBERS, shape=[1, 63]) == (
        "A tensor of FP32 and shape [1, 63] has 252 bytes; features has 256."
    )
    assert binary_refusal("pixels", PIXELS8.tobytes(), PIXELS8.tobytes(), shape=[2, 64]) == (
        "A tensor of UINT8 and shape [2, 64] has 128 bytes; pixels has 64."
    )
    nan = b"\x00\x00\xc0\x7f" * 64
    assert binary_refusal("features", nan, nan) == "The data of features must be finite."
    body, headers = packed({"inputs": [tensor()]}, b"more")
    assert refusal(body, int(headers[HEADER_LENGTH])) == (
        "4 bytes follow the request's JSON, and the binary_data_size of image says 0."
    )


@pytest.mark.parametrize("value", ["-1", "x", "", "101", "1" * 30, "1.5"])
def test_a_wrong_length_of_the_json(value: str) -> None:
    scope = {"headers": [(HEADER_LENGTH.lower().encode(), value.encode())]}
    with pytest.raises(BadRequestError, match="must be from 0 to the 100 bytes of the body"):
        json_length(scope, 100)


def test_a_length_of_the_json() -> None:
    name = HEADER_LENGTH.lower().encode()
    assert json_length({"headers": []}, 100) is None
    assert json_length({"headers": [(name, b" 100 ")]}, 100) == 100
    assert json_length({"headers": [(name, b"0")]}, 100) == 0
    assert refusal(b"", 0) == "Image data is required"


def test_json_of_many_numbers() -> None:
    many = {"inputs": [tensor("features", shape=[256, 64], data=FEATURES8.tolist() * 256)]}
    assert parse_request(json.dumps(many).encode(), None).tensor.images == 256
    too_many = tensor("features", shape=[1, 60_000], data=[0.0] * 60_000)
    assert of(too_many).startswith("Body is not valid JSON for a request: it has more than 50000")


def test_an_id_of_its_own() -> None:
    body = json.dumps({"inputs": [tensor()]}).encode()
    ids = {parse_request(body, None).id for _ in range(3)}
    assert len(ids) == 3
