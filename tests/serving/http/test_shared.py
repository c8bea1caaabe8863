"""When a connection may go to another worker, by real connections and a fake of the other one."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from serving.http.body import read_body
from serving.http.guard import Limits
from serving.http.protocol import HttpProtocol
from serving.http.reply import Reply
from serving.http.shared import GivenProtocol, SharedProtocol
from serving.http.spreading import Spreading
from tests.waiting import until_async

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class FakeSpreading:
    """Has a surplus, and keeps what it is told to move as another worker would get it."""

    def __init__(self) -> None:
        self.has_surplus = True
        self.asked_to_pass_on = 0
        self.given: list[socket.socket] = []

    def count(self) -> None: ...

    def pass_on(self, _transport: asyncio.Transport) -> bool:
        self.asked_to_pass_on += 1
        return False

    def move(self, transport: asyncio.Transport) -> bool:
        descriptor = transport.get_extra_info("socket").fileno()
        self.given.append(socket.socket(fileno=os.dup(descriptor)))
        return True


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> FakeSpreading:
    fake = FakeSpreading()
    monkeypatch.setattr(SharedProtocol, "spreading", cast("Spreading", fake))
    monkeypatch.setattr(HttpProtocol, "limits", Limits(9, 9, 9, 16, 0.02), raising=False)
    monkeypatch.setattr(HttpProtocol, "_guards", {})
    return fake


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    size = len(await read_body(scope, receive, 1_000, lambda _: None))
    await Reply(200, [(b"content-length", b"2")], b"%2d" % size).send(send)


@asynccontextmanager
async def connected(
    kind: type[SharedProtocol] = SharedProtocol,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, ServerState]]:
    config, state = Config(app=app, lifespan="off", http=kind), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: kind(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer, state
    finally:
        writer.close()
        server.close()
        await until_async(lambda: not state.connections, "no connection")


async def answer(reader: asyncio.StreamReader) -> bytes:
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    return await reader.readexactly(2)


async def test_who_asks_twice_is_the_other_s_from_the_second_answer_on(
    other: FakeSpreading,
) -> None:
    async with connected() as (reader, writer, state):
        for _ in range(2):
            assert not other.given
            writer.write(GET)
            assert await answer(reader) == b" 0"
        await until_async(lambda: not state.connections, "it is not here any more")
        writer.write(GET)
        with other.given[0] as given:
            given.setblocking(False)
            loop = asyncio.get_running_loop()
            assert await loop.sock_recv(given, 1_000) == GET
            await loop.sock_sendall(given, b"HTTP/1.1 200 OK\r\n\r\nok")
        assert await answer(reader) == b"ok"
        assert not reader.at_eof()


async def test_it_stays_while_another_request_is_under_way(other: FakeSpreading) -> None:
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    async with connected() as (reader, writer, _):
        for part in (GET + GET + GET[:9], GET[9:] + post, b"a body of"):
            writer.write(part)
            for _ in range(2 if part.startswith(GET) else 1):
                await answer(reader)
            if part != b"a body of":
                # It was looked at, and something was there.
                await asyncio.sleep(0)
                assert not other.given
        await until_async(lambda: bool(other.given), "the end of the last")
        other.given[0].close()


async def test_it_stays_without_a_surplus(other: FakeSpreading) -> None:
    other.has_surplus = False
    async with connected() as (reader, writer, state):
        for _ in range(4):
            writer.write(GET)
            await answer(reader)
        assert len(state.connections) == 1
    assert not other.given


async def test_what_another_has_given_is_not_given_back_unasked(other: FakeSpreading) -> None:
    async with connected(GivenProtocol) as (reader, writer, _):
        writer.write(GET)
        await answer(reader)
    assert other.asked_to_pass_on == 0
    async with connected() as (reader, writer, _):
        writer.write(GET)
        await answer(reader)
    assert other.asked_to_pass_on == 1


async def test_only_who_is_answered_counts_as_a_client(other: FakeSpreading) -> None:
    other.has_surplus = False
    async with connected() as (reader, writer, state):
        await until_async(lambda: bool(state.connections), "the connection")
        connection = cast("Any", next(iter(state.connections)))
        before = connection.since
        assert not connection.asks(before)
        writer.write(b"GET / HTTP/1.1\r\n")
        await until_async(lambda: connection.is_sending, "a part of a head")
        assert not connection.asks(before)
        writer.write(b"Host: x\r\n\r\n")
        await answer(reader)
        assert connection.asks(before)
        assert not connection.asks(connection.since + 1)
