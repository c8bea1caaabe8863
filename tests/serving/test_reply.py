from errors import BadRequestError, BodyTooLargeError, OverloadedError
from serving.reply import Reply, fault_reply, json_reply


def test_json_with_its_length() -> None:
    assert json_reply({"ü": 1}, (b"x-a", b"b")) == Reply(
        200,
        [(b"content-type", b"application/json"), (b"content-length", b"8"), (b"x-a", b"b")],
        b'{"\xc3\xbc":1}',
    )


def test_a_fault_is_its_sentence() -> None:
    reply = fault_reply(BadRequestError("Why."))
    assert (reply.status, reply.body) == (400, b'{"detail":"Why."}')


def test_an_overloaded_server_says_when_to_come_back() -> None:
    reply = fault_reply(OverloadedError("Full.", "capacity", retry_after=3))
    assert reply.status == 503
    assert (b"retry-after", b"3") in reply.headers


def test_the_rest_of_a_large_body_is_not_wanted() -> None:
    assert (b"connection", b"close") in fault_reply(BodyTooLargeError("Large.")).headers
