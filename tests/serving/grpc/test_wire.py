"""How many fields a message has, before it is parsed."""

import pytest

from errors import BadRequestError
from serving.grpc.messages import messages
from serving.grpc.wire import MAX_FIELDS, SMALL_BYTES, check_fields

LARGE = bytes(SMALL_BYTES)


def request(**fields: object) -> bytes:
    serialized: bytes = messages()["ModelInferRequest"](**fields).SerializeToString()
    return serialized


def contents(**values: object) -> bytes:
    return request(inputs=[{"contents": values}])


@pytest.mark.parametrize(
    "data",
    [
        request(raw_input_contents=[bytes(10_000_000)]),
        contents(fp32_contents=[0.5] * 150_000),
        contents(uint_contents=[255] * 150_000),
        contents(bytes_contents=[bytes(10_000)] * 256),
        request(inputs=[{"shape": [256, 28, 28, 1]}], raw_input_contents=[LARGE]),
    ],
)
def test_what_people_send_has_few(data: bytes) -> None:
    check_fields(data)


@pytest.mark.parametrize(
    "data",
    [
        request(inputs=[{}] * SMALL_BYTES),
        request(outputs=[{}] * SMALL_BYTES),
        request(raw_input_contents=[b""] * SMALL_BYTES),
        contents(bytes_contents=[b""] * SMALL_BYTES),
        request(inputs=[{"parameters": {str(number): {} for number in range(MAX_FIELDS + 1)}}]),
        request(outputs=[{"parameters": {str(number): {} for number in range(MAX_FIELDS + 1)}}]),
        # Numbers that are not packed.
        request(inputs=[{"contents": {}}]).join([b"", b"\x2a\x09" + b"\x2a\x07" * 9000]),
    ],
)
def test_too_many_are_refused(data: bytes) -> None:
    assert len(data) > SMALL_BYTES
    with pytest.raises(BadRequestError):
        check_fields(data)


@pytest.mark.parametrize(
    "start",
    [
        b"\xff" * 11,  # a number that does not end
        b"\x3a\xff\xff\xff\x7f",  # longer than what follows
        b"\x0b",  # a group
        b"\x3f",  # no kind of field
        b"",  # cut off within the last field
    ],
)
def test_what_is_no_message_is_refused(start: bytes) -> None:
    tail = request(raw_input_contents=[LARGE])[:-1]
    with pytest.raises(BadRequestError, match=r"not a valid inference\.ModelInferRequest"):
        check_fields(start + tail)


def test_small_messages_are_not_looked_at() -> None:
    check_fields(b"\xff" * 11)
