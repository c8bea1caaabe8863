from starlette.types import Message

from errors import (
    BadRequestError,
    BodyTooLargeError,
    OverloadedError,
    TooManyRequestsError,
    UnauthorizedError,
)
from serving.http.reply import Reply, error_reply, json_reply


def test_json_with_its_length() -> None:
    assert json_reply({"ü": 1}, (b"x-a", b"b")) == Reply(
        200,
        [(b"content-type", b"application/json"), (b"content-length", b"8"), (b"x-a", b"b")],
        b'{"\xc3\xbc":1}',
    )


def test_a_fault_is_its_sentence() -> None:
    reply = error_reply(BadRequestError("Why."))
    assert (reply.status, reply.body) == (400, b'{"detail":"Why."}')


def test_an_overloaded_server_says_when_to_come_back() -> None:
    reply = error_reply(OverloadedError("Full.", "capacity", retry_after=3))
    assert reply.status == 503
    assert (b"retry-after", b"3") in reply.headers


def test_without_a_key_one_is_asked_for() -> None:
    reply = error_reply(UnauthorizedError("Why."))
    assert reply.status == 401
    assert (b"www-authenticate", b"Bearer") in reply.headers


def test_a_limit_is_told_with_its_end() -> None:
    reply = error_reply(TooManyRequestsError("Why.", 50, 3))
    assert reply.status == 429
    assert reply.headers[2:] == [
        (b"retry-after", b"3"),
        (b"ratelimit-limit", b"50"),
        (b"ratelimit-remaining", b"0"),
        (b"ratelimit-reset", b"3"),
    ]


def test_the_rest_of_a_large_body_is_not_wanted() -> None:
    assert (b"connection", b"close") in error_reply(BodyTooLargeError("Large.")).headers


async def test_any_other_send_is_called_as_it_is() -> None:
    seen = []

    async def send(message: Message) -> None:
        seen.append(message["type"])

    await json_reply({}).send(send)
    assert seen == ["http.response.start", "http.response.body"]
