"""Raw conversations by a grammar of HTTP/1.1 and of what breaks it, in any packets."""

import contextlib
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.attack import SEED, Outcome, check
from tests.servers import Server
from tests.waiting import PATIENCE_SECONDS

JSON = Path("tests/data/predict_digit8.json").read_bytes()
SMALL = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"

METHODS = st.sampled_from([b"POST", b"GET", b"HEAD", b"OPTIONS", b"CONNECT", b"PRI", b"get", b""])
PATHS = st.sampled_from(
    [b"/predict/", b"/livez", b"/models", b"/", b"*", b"x:80", b"/%", b"//a", b"/a?b#c", b"/\xff"]
)
VERSIONS = st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTCPCP/1"])
HEADERS = st.sampled_from(
    [
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAA",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a",
        b"Expect: 100-continue",
        b"Expect: 200-ok",
        b"TE: trailers",
        b"Trailer: X",
        b"Host: y",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Content-Length : 5",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding:\r\n chunked",
        b"Content-Encoding: gzip",
        b"Content-Type: multipart/form-data; boundary=b",
        b"Origin: https://a.com\r\nAccess-Control-Request-Method: POST",
        b"X: " + b"a" * 40_000,
        b"\r\n".join([b"X: a"] * 101),
        b"X\0: a",
        b": a",
        b" folded",
        b"no colon",
    ]
)
ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b""])


def chunked(body: bytes, size: int, trailer: bytes) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + trailer


# As clients send them. Behind one another, with bodies or none, and with an end to the connection:
# what held a worker for ever once had nothing wrong in it.
LAST = st.sampled_from([b"", b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n"])
RIGHT_HEADS = st.sampled_from(
    [
        b"POST /predict/ HTTP/1.1\r\nHost: x\r\n",
        b"POST /predict/ HTTP/1.0\r\nHost: x\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n",
        b"GET /livez HTTP/1.0\r\n",
        b"HEAD /livez HTTP/1.1\r\nHost: x\r\n",
    ]
)


@st.composite
def right_requests(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from([b"", b"", JSON, b"{}"]))
    head = draw(RIGHT_HEADS) + draw(LAST)
    if b"HTTP/1.1" in head and draw(st.booleans()):
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(body, 1000, b"\r\n")
    return head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body = draw(st.sampled_from([b"", JSON, JSON, SMALL, b"{}", b"\0\xff", b"a" * 100_000]))
    lines = [b" ".join((draw(METHODS), draw(PATHS), draw(VERSIONS)))]
    lines += draw(st.sampled_from([[b"Host: x"]] * 8 + [[], [b"Host: x", b"Host: x"], [b"Host:"]]))
    framing = draw(st.sampled_from(["length", "length", "chunked", "none"]))
    if framing == "length":
        lines.append(b"Content-Length: %d" % (len(body) + draw(st.sampled_from([0] * 8 + [-3, 3]))))
    elif framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        size = draw(st.sampled_from([1000, 7, 100_000]))
        trailer = draw(st.sampled_from([b"\r\n"] * 4 + [b"X: a\r\n\r\n", b"x", b"\r\nGET"]))
        body = chunked(body, size, trailer)
    lines += draw(st.lists(HEADERS, max_size=3))
    return b"".join(line + draw(ENDS) for line in lines) + draw(ENDS) + body


@st.composite
def conversations(draw: st.DrawFn) -> list[bytes]:
    """Packets of one to four requests, or of bytes that are none."""
    some = right_requests() | right_requests() | requests() | st.binary(max_size=20)
    stream = b"".join(draw(st.lists(some, min_size=1, max_size=4)))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def answers(received: bytes) -> list[tuple[int, bytes]]:
    """Status and body of each answer, which must be nothing but answers."""
    found = []
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        match = re.match(rb"HTTP/1\.1 ([1-5]\d\d) [ -~]*(?:\r\n|$)", head)
        assert match is not None, (head[:200], received[:200])
        assert end, head[:200]
        status = int(match[1])
        if status == 100:
            continue
        length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
        size = int(length[1]) if length and status != 204 else 0
        # The answer to a HEAD has a length and no body.
        if size and (received.startswith(b"HTTP/1.1 ") or not received):
            size = 0
        found.append((status, received[:size]))
        received = received[size:]
    return found


def talk(server: Server, packets: list[bytes]) -> bytes:
    """All that comes back, after the client has said that it sends no more."""
    address = urlsplit(server.url)
    place = (str(address.hostname), address.port or 80)
    received = b""
    with socket.create_connection(place, PATIENCE_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The server may have closed it after an answer.
        with contextlib.suppress(OSError):
            for packet in packets:
                connection.sendall(packet)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65_536):
                received += piece
    return received


def test_conversations(target: Server, record_property: Callable[[str, object], None]) -> None:
    def run(count: int) -> Outcome:
        outcome = Outcome()

        @seed(SEED)
        @settings(
            max_examples=max(1, count // 4),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(conversations())
        def converse(packets: list[bytes]) -> None:
            began = time.monotonic()
            received = talk(target, packets)
            seconds = time.monotonic() - began
            sent = b"".join(packets)
            for status, body in answers(received):
                if body:
                    outcome.note(repr(sent[:300]), status, body, seconds)
                else:
                    outcome.statuses[status] += 1
                if status >= 400 and body:
                    assert isinstance(orjson.loads(body)["detail"], str)
            outcome.longest = max(outcome.longest, seconds)

        converse()
        return outcome

    check(target, record_property, "conversations", run)
