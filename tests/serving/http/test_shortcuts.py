"""What takes a shortcut is, byte for byte, what uvicorn does by itself."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from serving.http.shortcuts import body_now, send_now

Headers = Sequence[tuple[bytes, bytes]]

BODY = b'{"prediction":8}'
LENGTH = (b"content-length", b"16")


class Connection(asyncio.Transport):
    """Keeps what is written, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def request(
    method: str = "POST", keep_alive: bool = True, body: bytes = b"", complete: bool = True
) -> tuple[Any, Connection, list[str]]:
    """One as uvicorn's protocol makes it, its connection, and what was called at its end."""
    connection = Connection()
    ends: list[str] = []
    logger = logging.getLogger("tests")
    cycle = RequestResponseCycle(
        scope={"method": method},  # type: ignore[typeddict-item]
        transport=connection,
        flow=FlowControl(connection),
        logger=logger,
        access_logger=logger,
        access_log=False,
        default_headers=[(b"server", b"test")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: ends.append("response"),
    )
    cycle.body = bytearray(body)
    if complete:
        cycle.more_body = False
        cycle.message_event.set()
    return cycle, connection, ends


async def by_messages(cycle: Any, status: int, headers: Headers) -> None:
    await cycle.send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await cycle.send({"type": "http.response.body", "body": BODY, "more_body": False})


@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("status", [200, 404, 429, 503])
def test_an_answer_is_the_same_in_one_write(status: int, keep_alive: bool) -> None:
    headers = [(b"content-type", b"application/json"), LENGTH, (b"x-a", b"b")]
    short, connection, ends = request(keep_alive=keep_alive)
    assert send_now(short.send, status, headers, BODY)
    long, expected, other_ends = request(keep_alive=keep_alive)
    asyncio.run(by_messages(long, status, headers))
    assert connection.written == [b"".join(expected.written)]
    assert connection.closed == expected.closed == (not keep_alive)
    assert ends == other_ends == ["response"]
    assert short.response_complete
    assert short.message_event.is_set()


@pytest.mark.parametrize("keep_alive", [True, False])
def test_an_answer_may_close_its_connection(keep_alive: bool) -> None:
    headers = [LENGTH, (b"connection", b"close")]
    short, connection, _ = request(keep_alive=keep_alive)
    assert send_now(short.send, 413, headers, BODY)
    long, expected, _ = request(keep_alive=keep_alive)
    asyncio.run(by_messages(long, 413, headers))
    assert connection.written == [b"".join(expected.written)]
    assert connection.closed
    assert not short.keep_alive


@pytest.mark.parametrize(
    "headers",
    [
        [LENGTH, (b"x-a", b"b\r\nx-c: d")],
        [LENGTH, (b"x-a", b"b\nc")],
        [LENGTH, (b"x-a", b"b\0c")],
        [LENGTH, (b"connection", b"upgrade")],
        [(b"transfer-encoding", b"chunked")],
        [(b"content-length", b"15")],
        [],
    ],
)
def test_what_is_not_plain_is_left_to_uvicorn(headers: Headers) -> None:
    cycle, connection, ends = request()
    assert not send_now(cycle.send, 200, headers, BODY)
    assert not connection.written
    assert not cycle.response_started
    assert not ends


@pytest.mark.parametrize("name", ["response_started", "disconnected", "access_log"])
def test_an_answer_that_has_begun_or_is_logged_is_left_to_uvicorn(name: str) -> None:
    cycle, connection, _ = request()
    setattr(cycle, name, True)
    assert not send_now(cycle.send, 200, [LENGTH], BODY)
    assert not connection.written


def test_an_answer_to_head_is_left_to_uvicorn() -> None:
    cycle, _, _ = request("HEAD")
    assert not send_now(cycle.send, 200, [LENGTH], BODY)


def test_a_client_that_does_not_read_is_waited_for_by_uvicorn() -> None:
    cycle, _, _ = request()
    cycle.flow.pause_writing()
    assert not send_now(cycle.send, 200, [LENGTH], BODY)


def test_another_server_gets_its_messages() -> None:
    async def send(_: object) -> None: ...

    async def receive() -> dict[str, Any]:
        return {}

    assert not send_now(send, 200, [LENGTH], BODY)
    assert body_now(receive) is None


def test_a_body_that_is_there_is_taken_once() -> None:
    cycle, _, _ = request(body=b"abc")
    assert body_now(cycle.receive) == b"abc"
    assert body_now(cycle.receive) is None
    assert not cycle.message_event.is_set()


def test_a_body_that_is_taken_leaves_the_word_that_the_client_is_gone() -> None:
    async def told() -> object:
        cycle, _, _ = request(body=b"abc")
        assert body_now(cycle.receive) == b"abc"
        cycle.disconnected = True
        cycle.message_event.set()
        return await cycle.receive()

    assert asyncio.run(told()) == {"type": "http.disconnect"}


@pytest.mark.parametrize("name", ["more_body", "disconnected", "waiting_for_100_continue"])
def test_a_body_that_is_not_there_is_waited_for_by_uvicorn(name: str) -> None:
    cycle, _, _ = request(body=b"abc")
    setattr(cycle, name, True)
    assert body_now(cycle.receive) is None


def test_who_was_not_read_because_of_its_body_is_read_again() -> None:
    cycle, _, _ = request(body=b"abc")
    cycle.flow.pause_reading()
    assert body_now(cycle.receive) == b"abc"
    assert not cycle.flow.read_paused
