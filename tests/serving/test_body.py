"""Reading a body: the size is bounded whether it is declared or streamed."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from errors import BadRequestError, BodyTimeoutError, BodyTooLargeError
from serving import body
from serving.body import read_body


def request(*chunks: bytes, declared: str | None = None, leaves: bool = False) -> Request:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append(
        {"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b""}
    )
    headers = [(b"content-length", declared.encode())] if declared is not None else []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def test_chunks_are_joined() -> None:
    assert await read_body(request(b"ab", b"c"), 3) == b"abc"


async def test_a_body_declared_too_large_is_not_read() -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("read")

    scope = {"type": "http", "method": "POST", "headers": [(b"content-length", b"4")]}
    with pytest.raises(BodyTooLargeError, match="larger than the 3 bytes"):
        await read_body(Request(scope, receive), 3)


async def test_a_streamed_body_ends_at_the_first_byte_too_many() -> None:
    endless = request(*[b"ab"] * 1000)
    with pytest.raises(BodyTooLargeError, match="larger than the 3 bytes"):
        await read_body(endless, 3)


async def test_a_declared_length_that_is_no_number_is_counted() -> None:
    assert await read_body(request(b"abc", declared="-1"), 3) == b"abc"


async def test_a_client_that_leaves() -> None:
    with pytest.raises(BadRequestError, match="before it was complete"):
        await read_body(request(b"a", leaves=True), 3)


async def test_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.01)

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(BodyTimeoutError, match="did not arrive"):
        await read_body(Request({"type": "http", "method": "POST", "headers": []}, receive), 3)
