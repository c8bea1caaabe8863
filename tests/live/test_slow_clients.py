"""Clients that dawdle, lie about lengths or leave do not hold up the others."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from tests.servers import Server
from tests.waiting import PATIENCE_SECONDS

BODY = Path("tests/data/predict_digit8.json").read_bytes()


@contextlib.contextmanager
def connection(server: Server) -> Iterator[socket.socket]:
    address = urlsplit(server.url)
    place = (str(address.hostname), address.port or 80)
    with socket.create_connection(place, PATIENCE_SECONDS) as connected:
        yield connected


def head(length: int, *more: str) -> bytes:
    lines = ["POST /predict/ HTTP/1.1", "Host: x", f"Content-Length: {length}", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def assert_answers(http: httpx2.Client) -> None:
    assert http.post("/predict/", content=BODY).json()["prediction"] == 8


def test_half_sent_requests_hold_up_nobody(server: Server, http: httpx2.Client) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            slow = stack.enter_context(connection(server))
            slow.sendall(head(len(BODY)) + BODY[:100])
        assert_answers(http)


def test_a_request_byte_by_byte_is_answered(server: Server) -> None:
    with connection(server) as slow:
        for byte in head(len(BODY), "Connection: close") + BODY:
            slow.sendall(bytes([byte]))
        answer = b"".join(iter(lambda: slow.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"request_id":"123","prediction":8}')


def test_a_body_declared_too_large_is_refused_before_it_is_sent(server: Server) -> None:
    with connection(server) as client:
        client.sendall(head(10**12))
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"larger than the 10485760 bytes allowed" in answer


def test_clients_that_leave_in_the_middle(server: Server, http: httpx2.Client) -> None:
    for end in range(0, len(BODY), 25):
        with connection(server) as client:
            client.sendall(head(len(BODY)) + BODY[:end])
    assert_answers(http)


def test_what_is_no_http_at_all(server: Server, http: httpx2.Client) -> None:
    for content in (b"\x00" * 1000, b"GET\r\n\r\n", b"POST /predict/ HTTP/9.9\r\n\r\n"):
        with connection(server) as client:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                assert b" 200 " not in client.recv(4096)
    assert_answers(http)
