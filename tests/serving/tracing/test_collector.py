"""Collectors that answer as they should, and others."""

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from serving.tracing.collector import Collector, Sent
from serving.tracing.spans import rejected
from tests.collector import FakeCollector, collecting

ENOUGH_SECONDS = 30


@pytest.fixture
def fake() -> Iterator[FakeCollector]:
    with collecting() as collector:
        yield collector


@contextlib.contextmanager
def speaking(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of who reads a request and then does what it likes, until the client hangs up."""

    def run() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65_536)
            speak(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def send(url: str, seconds: float = ENOUGH_SECONDS) -> Sent:
    return Collector(url, {"x-team": "images"}).send(b"", seconds)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/v1/traces"),
        ("/", "/v1/traces"),
        ("/otlp", "/otlp/v1/traces"),
        ("/v1/traces", "/v1/traces"),
        ("/api/v0.2/traces", "/api/v0.2/traces"),
    ],
)
def test_the_path_is_the_protocol_s_or_one_s_own(
    fake: FakeCollector, path: str, asked: str
) -> None:
    assert send(fake.url + path) == Sent()
    assert fake.paths == [asked]
    assert fake.headers[0]["x-team"] == "images"


def with_status(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.mark.parametrize(
    ("status", "again"),
    [
        *((200, None), (202, None), (400, False), (401, False), (404, False), (500, False)),
        *((429, True), (502, True), (503, True), (504, True)),
    ],
)
def test_a_status_says_whether_to_try_again(
    fake: FakeCollector, status: int, again: bool | None
) -> None:
    fake.answer = with_status(status)
    sent = send(fake.url)
    assert sent == (Sent() if again is None else Sent(f"it answered with status {status}", again))


@pytest.mark.parametrize(
    ("wait", "seconds"), [("7", 7), ("9" * 400, 0), ("-1", 0), ("Thu, 26 Nov 2026 21:00:00 GMT", 0)]
)
def test_a_collector_may_ask_for_patience(fake: FakeCollector, wait: str, seconds: float) -> None:
    fake.answer = with_status(503, Retry_After=wait)
    assert send(fake.url).wait == seconds


def test_a_redirect_is_not_followed(fake: FakeCollector) -> None:
    with collecting() as other:
        fake.answer = with_status(307, Location=f"{other.url}/v1/traces")
        assert send(fake.url) == Sent("it answered with status 307")
        assert other.requests == []


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    assert send(url) == Sent("it cannot be reached: Connection refused", again=True)


def forever(piece: bytes) -> Callable[[socket.socket], None]:
    def speak(connection: socket.socket) -> None:
        while True:
            connection.sendall(piece)

    return speak


def said(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


@pytest.mark.parametrize(
    "speak",
    [said(b""), said(b"hello\r\n\r\n"), said(b"HTTP/1.1 2xx OK\r\n\r\n"), said(b"\x16\x03\x01"),
     forever(b"x"), said(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200)],
)  # fmt: skip
def test_what_is_not_http(speak: Callable[[socket.socket], None]) -> None:
    with speaking(speak) as url:
        sent = send(url)
    assert sent.again
    assert sent.fault in (
        "its answer is not HTTP",
        "it cannot be reached: Remote end closed connection without response",
    )


def test_an_endless_answer_is_read_up_to_a_size() -> None:
    def speak(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        forever(b"1000\r\n" + b"x" * 4096 + b"\r\n")(connection)

    with speaking(speak) as url:
        sent = send(url)
    assert (sent.fault, len(sent.answer)) == ("", 65_536)


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n", None])
def test_a_collector_has_so_much_time(piece: bytes | None) -> None:
    """Who never answers, and who always has something to say."""
    done = threading.Event()
    speak = forever(piece) if piece is not None else lambda _: done.wait()
    with speaking(speak) as url:  # type: ignore[arg-type]
        sent = send(url, seconds=0.2)
        done.set()
    assert sent == Sent("it did not answer within 0.2 seconds", again=True)


def test_an_answer_that_breaks_off_was_one() -> None:
    with speaking(said(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")) as url:
        assert send(url) == Sent(answer=b"abc")


@pytest.mark.parametrize("answer", [b"", b"\xff" * 100, b"{}", b"\x0a\x02\x08\x07"])
def test_an_answer_that_says_nothing_refuses_nothing(answer: bytes) -> None:
    assert rejected(answer) == (7 if answer.startswith(b"\x0a") else 0)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """What a collector by TLS needs, and the file of who vouches for it: itself."""
    folder = tmp_path_factory.mktemp("tls")
    command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    name = ("-nodes", "-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", "key.pem", "-out", "certificate.pem")
    subprocess.run([*command, *name, *files], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context, folder / "certificate.pem"


def test_a_certificate_that_somebody_vouches_for(certified: tuple[ssl.SSLContext, Path]) -> None:
    context, authorities = certified
    with collecting(context) as fake:
        assert Collector(fake.url, {}, authorities).send(b"", ENOUGH_SECONDS) == Sent()
        assert len(fake.requests) == 1


def test_a_certificate_that_nobody_vouches_for(certified: tuple[ssl.SSLContext, Path]) -> None:
    with collecting(certified[0]) as fake:
        sent = send(fake.url)
        assert fake.requests == []
    assert sent.again
    assert sent.fault.startswith("its certificate is not trusted: self")


def test_what_is_not_tls() -> None:
    with speaking(said(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url:
        sent = send(url.replace("http:", "https:"))
    assert sent.again
    assert sent.fault.startswith("it cannot be reached: ")


@pytest.mark.parametrize("endpoint", ["http://:4318", "http://host:99999", "http://host:x"])
def test_what_is_no_address(endpoint: str) -> None:
    with pytest.raises(ValueError):
        Collector(endpoint, {})


def test_authorities_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Collector("https://host", {}, tmp_path / "missing.pem")
    (tmp_path / "wrong.pem").write_text("nothing")
    with pytest.raises(ssl.SSLError):
        Collector("https://host", {}, tmp_path / "wrong.pem")
