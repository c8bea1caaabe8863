"""Reading a body: the size is bounded whether it is declared or streamed."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope

from errors import BadRequestError, BodyTimeoutError, BodyTooLargeError
from serving.http import body
from serving.http.body import is_client_gone, read_body

UNDECLARED: Scope = {"type": "http", "headers": []}


def hold(_size: int) -> None:
    """There is room for all."""


def declared(length: str) -> Scope:
    return {"type": "http", "headers": [(b"content-length", length.encode())]}


def sending(*chunks: bytes, leaves: bool = False) -> Receive:
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append(
        {"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b""}
    )

    async def receive() -> Message:
        return messages.pop(0)

    return receive


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def test_a_body_in_one_piece() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"abc", "more_body": False}

    assert await read_body(declared("3"), receive, 3, hold) == b"abc"


async def test_chunks_are_joined() -> None:
    assert await read_body(UNDECLARED, sending(b"ab", b"c"), 3, hold) == b"abc"


async def test_no_body_is_an_empty_one() -> None:
    assert await read_body(UNDECLARED, sending(), 3, hold) == b""


async def test_a_body_declared_too_large_is_not_read() -> None:
    async def receive() -> Message:
        raise AssertionError("read")

    with pytest.raises(BodyTooLargeError, match="larger than the 3 bytes"):
        await read_body(declared("4"), receive, 3, hold)


@pytest.mark.parametrize("chunks", [[b"abcd"], [b"ab"] * 1000])
async def test_a_streamed_body_ends_at_the_first_byte_too_many(chunks: list[bytes]) -> None:
    with pytest.raises(BodyTooLargeError, match="larger than the 3 bytes"):
        await read_body(UNDECLARED, sending(*chunks), 3, hold)


@pytest.mark.parametrize("length", ["-1", "x", "2"])
async def test_a_declared_length_that_lies_is_counted(length: str) -> None:
    assert await read_body(declared(length), sending(b"abc"), 3, hold) == b"abc"


@pytest.mark.parametrize("chunks", [[], [b"a"], [b"a", b"b"]])
async def test_a_client_that_leaves(chunks: list[bytes]) -> None:
    with pytest.raises(BadRequestError, match="before it was complete"):
        await read_body(UNDECLARED, sending(*chunks, leaves=True), 3, hold)


async def test_a_body_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.01)
    with pytest.raises(BodyTimeoutError, match="did not arrive"):
        await read_body(UNDECLARED, never, 3, hold)


async def test_a_client_that_waits_has_not_left() -> None:
    assert not is_client_gone(never)


async def test_a_client_that_is_client_gone() -> None:
    assert is_client_gone(sending(leaves=True))


async def test_asking_whether_it_is_client_gone_takes_nothing_from_who_waits() -> None:
    arrived = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await arrived.wait()
        return {"type": "http.disconnect"}

    assert not is_client_gone(receive)
    arrived.set()
    assert is_client_gone(receive)
