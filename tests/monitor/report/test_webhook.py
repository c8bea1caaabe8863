"""Against a real HTTP server on this machine."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from errors import MonitorError
from monitor.report.webhook import post
from tests.servers import closed_port

# Seconds after which a server that shall end does: the default of 0.5 is most of such a test.
POLL = 0.01


@dataclass
class Listener:
    """Answers with ``statuses`` in turn, then 200; keeps what it was sent."""

    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    url: str = ""


@contextlib.contextmanager
def listening(*statuses: int) -> Iterator[Listener]:
    listener = Listener(list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            listener.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            listener.types.append(self.headers["Content-Type"])
            self.send_response(listener.statuses.pop(0) if listener.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL,))
        thread.start()
        listener.url = f"http://127.0.0.1:{server.server_address[1]}/hooks/secret"
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()


def test_json_is_posted_once() -> None:
    with listening() as listener:
        post(listener.url, '{"text": "é"}')
    assert [json.loads(body) for body in listener.bodies] == [{"text": "é"}]
    assert listener.types == ["application/json"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_failure_is_tried_once_more(status: int) -> None:
    with listening(status) as listener:
        post(listener.url, "{}")
    assert len(listener.bodies) == 2


def test_two_failures_are_reported_without_the_secret() -> None:
    with listening(500, 502) as listener, pytest.raises(MonitorError) as found:
        post(listener.url, "{}")
    assert str(found.value) == "The webhook at 127.0.0.1 answered 502."
    assert len(listener.bodies) == 2


@pytest.mark.parametrize("status", [302, 404])
def test_a_permanent_failure_is_not_tried_again(status: int) -> None:
    with (
        listening(status, status) as listener,
        pytest.raises(MonitorError, match=f"answered {status}"),
    ):
        post(listener.url, "{}")
    assert len(listener.bodies) == 1


def test_no_server() -> None:
    with pytest.raises(MonitorError, match=r"The webhook at 127.0.0.1 did not answer \("):
        post(f"http://127.0.0.1:{closed_port()}/secret", "{}")


@pytest.mark.parametrize("url", ["", "ftp://a/b", "file:///etc/passwd", "http://", "example.com/x"])
def test_invalid_urls(url: str) -> None:
    with pytest.raises(MonitorError, match="must begin with https:// or http://"):
        post(url, "{}")


@pytest.mark.parametrize(
    "url",
    ["http://[::1/x", "http://a:port/x", "http://a\x00b/", "http://a..b/", "http://xn--ls8h=/"],
)
def test_urls_with_an_invalid_host(url: str) -> None:
    with pytest.raises(MonitorError):
        post(url, "{}")


def test_an_answer_without_an_end_is_not_awaited() -> None:
    left = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while not left.is_set():
                    self.wfile.write(b"x" * 65536)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL,))
        thread.start()
        posting = threading.Thread(
            target=post, args=(f"http://127.0.0.1:{server.server_address[1]}/", "{}"), daemon=True
        )
        posting.start()
        posting.join(5)
        late = posting.is_alive()
        left.set()
        server.shutdown()
        thread.join()
    assert not late


def test_an_answer_that_comes_byte_by_byte_is_cut() -> None:
    left = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            with contextlib.suppress(OSError):
                while not left.wait(0.02):
                    self.wfile.write(b"x")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL,))
        thread.start()
        with pytest.raises(MonitorError, match=r"did not answer \(within 0.3 seconds\)"):
            post(f"http://127.0.0.1:{server.server_address[1]}/", "{}", seconds=0.3)
        left.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("proxy", ["foo://x", "socks5://127.0.0.1:1"])
def test_an_invalid_proxy_is_reported(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(MonitorError, match=r"The webhook at 192.0.2.1 did not answer \("):
        post("http://192.0.2.1/", "{}")


def test_missing_certificates_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all.pem")
    with pytest.raises(MonitorError, match=r"did not answer \("):
        post(f"https://127.0.0.1:{closed_port()}/", "{}")
