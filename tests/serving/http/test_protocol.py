"""Connections, by raw sockets to a real uvicorn protocol in this process."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from serving.http.guard import Limits
from serving.http.head import MAX_HEAD_BYTES
from serving.http.protocol import HttpProtocol
from tests.waiting import PATIENCE_SECONDS

BODY = b'{"a": 1}'
POST = b"POST /x HTTP/1.1\r\nHost: x\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAA\r\n"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body, or at once and without it on ``/refuse``."""
    body, more = b"", scope["path"] != "/refuse"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-length", b"%d" % len(body))]
    if scope["path"] == "/refuse":
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@dataclass(frozen=True)
class OpenPort:
    number: int
    state: ServerState

    def connections(self) -> list[HttpProtocol]:
        return [known for known in self.state.connections if isinstance(known, HttpProtocol)]


@pytest.fixture
async def port(open_port: OpenPort) -> int:
    return open_port.number


@pytest.fixture
def limits() -> Limits:
    return Limits(0.5, 0.5, idle_seconds=0.2, connections=16, check_seconds=0.1)


@pytest.fixture
async def open_port(monkeypatch: pytest.MonkeyPatch, limits: Limits) -> AsyncIterator[OpenPort]:
    monkeypatch.setattr(HttpProtocol, "limits", limits, raising=False)
    monkeypatch.setattr(HttpProtocol, "_guards", {})
    config, state = Config(app=echo, lifespan="off", http=HttpProtocol), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpProtocol(config, state, {}), "127.0.0.1", 0)
    yield OpenPort(int(server.sockets[0].getsockname()[1]), state)
    server.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while state.connections:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0)


async def talk(port: int, *parts: bytes, half: bool = False) -> bytes:
    """What comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    if half:
        writer.write_eof()
    async with asyncio.timeout(PATIENCE_SECONDS):
        received = await reader.read()
    writer.close()
    return received


def answers(received: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each; all have a length here."""
    found = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        size = int(lines[b"content-length"])
        found.append((int(head.split()[1]), rest[:size]))
        received = rest[size:]
    return found


def detail(answer: tuple[int, bytes]) -> Any:
    return json.loads(answer[1])["detail"]


@pytest.mark.parametrize(
    "upgrade", [b"", UPGRADE, b"Connection: Upgrade\r\nUpgrade: websocket\r\n"]
)
@pytest.mark.parametrize(
    "parts",
    [
        [LENGTH + BODY],
        [LENGTH, BODY],
        [CHUNKED + CHUNKS],
        [CHUNKED, CHUNKS],
        [LENGTH[:9], LENGTH[9:], BODY],
    ],
)
async def test_one_answer_to_one_request_whatever_it_asks_to_upgrade_to(
    port: int, upgrade: bytes, parts: list[bytes]
) -> None:
    first, *others = parts
    assert answers(await talk(port, POST + upgrade + first, *others)) == [(200, BODY)]


async def test_a_body_is_never_run_as_a_request(port: int) -> None:
    inner = b"GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
    head = POST + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(inner)
    assert answers(await talk(port, head, inner)) == [(200, inner)]


async def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    one, two = POST + LENGTH + BODY, POST + UPGRADE + LENGTH + BODY
    assert answers(await talk(port, one + two + one)) == [(200, BODY)] * 3


OLD = b"POST /x HTTP/1.0\r\nHost: x\r\n" + LENGTH + BODY
NO_BODY = b"POST /x HTTP/1.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
CLOSING = POST + b"Connection: close\r\n" + LENGTH + BODY


@pytest.mark.parametrize("last", [OLD, CLOSING])
@pytest.mark.parametrize("before", [b"", POST + LENGTH + BODY])
@pytest.mark.parametrize(
    "after", [OLD, OLD * 2, NO_BODY * 3, CLOSING * 3, POST + LENGTH, b"x" * 99]
)
@pytest.mark.parametrize("half", [True, False])
async def test_nothing_is_read_after_the_last_request(
    port: int, before: bytes, last: bytes, after: bytes, half: bool
) -> None:
    count = 2 if before else 1
    assert answers(await talk(port, before + last + after, half=half)) == [(200, BODY)] * count
    assert answers(await talk(port, before + last, after)) == [(200, BODY)] * count


async def test_a_request_behind_the_last_chunk_is_asked_again(port: int) -> None:
    both = POST + CHUNKED + CHUNKS + POST + LENGTH + BODY
    assert answers(await talk(port, both)) == [(200, BODY)]


@pytest.mark.parametrize(
    "headers",
    [
        b"X: %s\r\n" % (b"a" * MAX_HEAD_BYTES),
        b"".join(b"X-%d: a\r\n" % n for n in range(101)),
        b"".join(b"X-%d: a\r\n" % n for n in range(100_000)),
    ],
)
async def test_a_large_head_is_refused(port: int, headers: bytes) -> None:
    (answer,) = answers(await talk(port, POST + headers + LENGTH + BODY))
    assert answer[0] == 431
    assert detail(answer).startswith("The headers are larger than 32768 bytes")


async def test_a_hundred_headers_are_allowed(port: int) -> None:
    headers = b"".join(b"X-%d: a\r\n" % n for n in range(98))
    assert answers(await talk(port, POST + headers + LENGTH + BODY)) == [(200, BODY)]


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /x HTTP/1.1\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /x HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /x HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET /x HTTP/1.1\nHost: a\n\n",
        b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + CHUNKS,
        POST + b"Content-Length: abc\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length : 2\r\n\r\n{}",
        POST + b"X: a\0b\r\n" + LENGTH + BODY,
        POST + CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_a_sentence(port: int, request_: bytes) -> None:
    (answer,) = answers(await talk(port, request_))
    assert answer[0] == 400
    assert detail(answer).endswith(".")


@pytest.mark.parametrize(
    "sent", [b"P", POST[:-5], POST + b"Content-Length: 9\r\n\r\n", POST + CHUNKED]
)
async def test_what_does_not_arrive_in_time(port: int, sent: bytes) -> None:
    (answer,) = answers(await talk(port, sent))
    assert answer[0] == 408


async def test_a_silent_connection_is_closed_without_a_word(port: int) -> None:
    assert await talk(port) == b""


async def test_a_second_head_that_does_not_arrive_gets_no_second_answer(port: int) -> None:
    received = answers(await talk(port, POST + LENGTH + BODY + b"GET /x HT"))
    assert received[0] == (200, BODY)
    assert [status for status, _ in received[1:]] in ([], [408])


async def test_a_client_that_closes_its_side_gets_its_answer(port: int) -> None:
    assert answers(await talk(port, POST + LENGTH + BODY, half=True)) == [(200, BODY)]


async def test_the_answer_arrives_before_a_body_that_nobody_reads(port: int) -> None:
    size = 20_000_000
    head = b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    assert answers(await talk(port, head + b"a" * size, half=True)) == [(200, b"")]


async def test_a_connection_too_many_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    none = Limits(head_seconds=1, body_seconds=1, idle_seconds=1, connections=0)
    monkeypatch.setattr(HttpProtocol, "limits", none)
    (answer,) = answers(await talk(port))
    assert (answer[0], detail(answer)) == (503, "The server has no free connection; try again.")


@pytest.mark.parametrize("limits", [Limits(60, 60, 60, connections=16)])
async def test_a_body_that_does_not_arrive_before_the_end_is_given_up(
    open_port: OpenPort,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", open_port.number)
    writer.write(POST + b"Content-Length: 9\r\n\r\n")
    await writer.drain()
    while not any(connection.cycle for connection in open_port.connections()):  # noqa: ASYNC110
        await asyncio.sleep(0)
    for connection in open_port.connections():
        connection.shutdown()
    async with asyncio.timeout(PATIENCE_SECONDS):
        (answer,) = answers(await reader.read())
    writer.close()
    assert answer[0] == 503
    assert "shutting down" in detail(answer)


async def test_requests_of_one_packet_are_answered_in_their_order(port: int) -> None:
    count = 3_000
    packet = b"".join(
        POST + b"Content-Length: %d\r\n\r\n%d" % (len(str(n)), n) for n in range(count)
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(packet)
    received = b""
    while received.count(b"HTTP/1.1 200") < count or not received.endswith(b"%d" % (count - 1)):
        received += await asyncio.wait_for(reader.read(1 << 20), PATIENCE_SECONDS)
    writer.close()
    bodies = [int(body) for _, body in answers(received)]
    assert bodies == list(range(count))


async def test_chunks_of_a_byte_in_one_packet_are_refused(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(POST + CHUNKED + b"1\r\nA\r\n" * 50_000 + b"0\r\n\r\n")
    received = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    writer.close()
    [answer] = answers(received)
    assert answer[0] == 400
    assert detail(answer) == "The body comes in too many chunks of a few bytes."


async def test_chunks_of_a_few_bytes_are_read(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(POST + CHUNKED + b"1\r\nA\r\n" * 500 + b"0\r\n\r\n")
    received = await asyncio.wait_for(reader.readuntil(b"A" * 500), PATIENCE_SECONDS)
    writer.close()
    assert answers(received) == [(200, b"A" * 500)]
