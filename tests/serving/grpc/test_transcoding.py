"""Messages as requests of ``/v2``, and replies as messages."""

from typing import Any

import numpy as np
import orjson
import pytest

from errors import BadRequestError
from serving.grpc.messages import messages
from serving.grpc.transcoding import described, inference, inferred
from serving.http.reply import Reply
from serving.oip.request import Asked, parse_request
from tests.serving.oip.asking import DIGIT8, FEATURES8, PIXELS8, elements


def asked(content: dict[str, Any], raw: bytes | None = None, **fields: Any) -> Asked:
    """What the route of ``/v2`` reads of a message with one tensor."""
    more = {} if raw is None else {"raw_input_contents": [raw]}
    message = messages()["ModelInferRequest"](model_name="clf", inputs=[content], **more, **fields)
    found = inference(message.SerializeToString())
    return parse_request(found.body, found.length)


IMAGE = {"name": "image", "datatype": "BYTES", "shape": [1]}
FEATURES = {"name": "features", "datatype": "FP32", "shape": [1, 64]}
PIXELS = {"name": "pixels", "datatype": "UINT8", "shape": [1, 8, 8, 1]}


def test_an_image() -> None:
    for request in (
        asked(IMAGE, elements(DIGIT8)),
        asked(IMAGE | {"contents": {"bytes_contents": [DIGIT8]}}),
    ):
        assert request.tensor.content == [DIGIT8]


def test_numbers() -> None:
    for name, values, request in (
        ("features", FEATURES8, asked(FEATURES, FEATURES8.astype("<f4").tobytes())),
        ("features", FEATURES8, asked(FEATURES | {"contents": {"fp32_contents": FEATURES8}})),
        ("pixels", PIXELS8, asked(PIXELS, PIXELS8.tobytes())),
        ("pixels", PIXELS8, asked(PIXELS | {"contents": {"uint_contents": PIXELS8.tolist()}})),
    ):
        assert request.tensor.name == name
        assert np.array_equal(request.tensor.content, values)


def test_what_else_a_request_says() -> None:
    outputs = [
        {"name": "probabilities", "parameters": {"classification": {"int64_param": 2}}},
        {"name": "label"},
    ]
    request = asked(IMAGE, elements(DIGIT8), id="42", outputs=outputs)
    assert request.id == "42"
    assert request.outputs is not None
    assert [tuple(output) for output in request.outputs] == [
        ("probabilities", True, 2, None),
        ("label", True, 0, None),
    ]


def test_a_version_is_part_of_the_model() -> None:
    for fields, model in (
        ({"model_name": "clf"}, "clf"),
        ({"model_name": "clf", "model_version": "champion"}, "clf:champion"),
    ):
        assert (
            inference(messages()["ModelInferRequest"](**fields).SerializeToString()).model == model
        )


@pytest.mark.parametrize(
    ("content", "raw", "sentence"),
    [
        (IMAGE, None, "Image data is required"),
        (FEATURES, None, "The input features has no data."),
        # Of another datatype than its own.
        (FEATURES | {"contents": {"fp64_contents": [1.0] * 64}}, None, "The input features has no"),
        (IMAGE | {"datatype": "UINT8"}, b"", "The input image takes BYTES, not UINT8."),
        (IMAGE, b"\x09\x00\x00\x00x", "Element 1 of image says that it has 9 bytes, and 1 follow."),
        (PIXELS, b"x", "A tensor of UINT8 and shape [1, 8, 8, 1] has 64 bytes; pixels has 1."),
        (PIXELS | {"contents": {"uint_contents": [256] * 64}}, None, "from 0 to 255"),
        (IMAGE | {"shape": [-1]}, b"", "none negative"),
        (
            IMAGE | {"parameters": {"shared_memory_region": {"string_param": "x"}}},
            b"",
            "Shared memory is not supported",
        ),
    ],
)
def test_what_is_wrong_is_said_as_elsewhere(
    content: dict[str, Any], raw: bytes | None, sentence: str
) -> None:
    with pytest.raises(BadRequestError) as caught:
        asked(content, raw)
    assert sentence in str(caught.value)


def test_each_input_has_its_raw_content() -> None:
    message = messages()["ModelInferRequest"](inputs=[IMAGE], raw_input_contents=[b"", b""])
    with pytest.raises(BadRequestError, match="raw_input_contents has 2 tensors"):
        inference(message.SerializeToString())


def test_there_is_one_input() -> None:
    found = inference(messages()["ModelInferRequest"](inputs=[IMAGE] * 3).SerializeToString())
    with pytest.raises(BadRequestError, match=r"Send one input.* the request has 3"):
        parse_request(found.body, found.length)


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x0a\x02\xc3\x28", b"\x08\x01\x0f"])
def test_bytes_that_are_no_message_are_refused(data: bytes) -> None:
    with pytest.raises(BadRequestError, match="not a valid"):
        inference(data)


def test_a_reply_becomes_a_message() -> None:
    head = orjson.dumps(
        {
            "model_name": "clf",
            "model_version": "a",
            "id": "7",
            "outputs": [
                {
                    "name": name,
                    "datatype": kind,
                    "shape": [1],
                    "parameters": {"binary_data_size": n},
                }
                for name, kind, n in (("label", "INT64", 3), ("probabilities", "FP32", 2))
            ],
        }
    )
    headers = [(b"inference-header-content-length", b"%d" % len(head))]
    message = inferred(Reply(200, headers, head + b"abcde"))
    assert (message.model_name, message.model_version, message.id) == ("clf", "a", "7")
    assert [(one.name, one.datatype, list(one.shape)) for one in message.outputs] == [
        ("label", "INT64", [1]),
        ("probabilities", "FP32", [1]),
    ]
    assert list(message.raw_output_contents) == [b"abc", b"de"]


def test_fields_that_a_message_has_not_are_left_out() -> None:
    message = described("ServerLiveResponse", {"live": True, "more": 1})
    assert message.live
