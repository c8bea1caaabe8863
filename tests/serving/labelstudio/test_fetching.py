"""Images are fetched from hosts that are listed, wherever a URL or a redirect leads."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from errors import ImageError
from serving.labelstudio.addresses import Allowed
from serving.labelstudio.fetching import fetch

SEEN: list[tuple[str, str | None]] = []


class Host(BaseHTTPRequestHandler):
    """``/to/<url>`` redirects there."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        SEEN.append((self.path, self.headers.get("Authorization")))
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
            return
        # As Label Studio does, whatever the file is.
        anything = "*/*" in self.headers["Accept"]
        self.send_response(404 if self.path == "/missing" else 200 if anything else 406)
        self.end_headers()
        self.wfile.write(b"x" * 1000)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def allowed(*hosts: str, private: bool = True) -> Allowed:
    return Allowed(hosts, private=private)


def test_an_image_of_a_listed_host(port: int) -> None:
    url = f"http://127.0.0.1:{port}/a.png?b=c"
    assert fetch(url, allowed("127.0.0.1"), 1000) == b"x" * 1000
    assert fetch(url, allowed(f"127.0.0.1:{port}"), 1000) == b"x" * 1000


def reason(url: str, allowed_hosts: Allowed, max_bytes: int = 1000) -> str:
    with pytest.raises(ImageError) as caught:
        fetch(url, allowed_hosts, max_bytes)
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/a",
        "http://localhost:{port}/a",
        "http://0x7f000001:{port}/a",
        "http://[::ffff:127.0.0.1]:{port}/a",
    ],
)
def test_a_host_that_is_not_listed(port: int, url: str) -> None:
    assert "PUPILA_LABELSTUDIO_HOSTS" in reason(url.format(port=port), allowed("example.com"))
    assert "PUPILA_LABELSTUDIO_HOSTS" in reason(url.format(port=port), allowed(f"a:{port}"))


def test_a_listed_host_with_a_private_address(port: int) -> None:
    for host in ("localhost", "127.0.0.1"):
        hosts = allowed(host, private=False)
        assert "private network" in reason(f"http://{host}:{port}/a", hosts)
    metadata = "169.254.169.254"
    assert "private network" in reason(f"http://{metadata}/latest", allowed(metadata))


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://127.0.0.1/a", "http://", "http://a:b@127.0.0.1/", "//x/y"),
        *("http://127.0.0.1:x/", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nX: y", "gopher:x"),
    ],
)
def test_what_is_no_url_to_fetch(url: str) -> None:
    assert "its URL" in reason(url, allowed("127.0.0.1"))


def test_a_redirect_is_checked_again(port: int) -> None:
    here = f"http://127.0.0.1:{port}"
    hosts = allowed("127.0.0.1")
    assert fetch(f"{here}/to/{here}/a", hosts, 1000) == b"x" * 1000
    assert fetch(f"{here}/to//a", hosts, 1000) == b"x" * 1000
    SEEN.clear()
    for target in (f"http://localhost:{port}/a", "http://169.254.169.254/x", "file:///etc/passwd"):
        assert reason(f"{here}/to/{target}", hosts)
    assert [path for path, _ in SEEN] == [
        f"/to/{target}"
        for target in (
            f"http://localhost:{port}/a",
            "http://169.254.169.254/x",
            "file:///etc/passwd",
        )
    ]
    circle = f"{here}/to/{here}/to/{here}/to/{here}/to/{here}/to/{here}/a"
    assert "more than 3 times" in reason(circle, hosts)


def test_the_token_stays_with_its_host(port: int) -> None:
    here, other = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    SEEN.clear()
    fetch(f"{here}/to/{other}/a", allowed("127.0.0.1", "localhost"), 1000, "Token secret")
    assert [token for _, token in SEEN] == ["Token secret", None]


def test_what_is_too_large_or_missing(port: int) -> None:
    here, hosts = f"http://127.0.0.1:{port}", allowed("127.0.0.1")
    assert "999 bytes" in reason(f"{here}/a", hosts, 999)
    assert reason(f"{here}/missing", hosts) == "its host answered 404"
    assert "cannot be fetched" in reason("http://127.0.0.1:1/a", hosts)
    assert "cannot be found" in reason(
        "http://no-such-host.invalid/", allowed("no-such-host.invalid")
    )
