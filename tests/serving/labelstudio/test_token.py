"""Both kinds of Label Studio's tokens, before a stand-in that answers as it does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from errors import ImageError
from serving.labelstudio.addresses import Allowed
from serving.labelstudio.token import Token

PERSONAL = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiMSJ9.c2lnbmF0dXJl"
ANSWERS = {
    "": {"access": "short"},
    "/odd": {"access": "a\r\nb"},
    "/number": {"access": 5},
    "/none": {},
    "/list": ["access"],
}
ASKED: list[tuple[str, bytes]] = []


class LabelStudio(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        ASKED.append((self.path, body))
        found = ANSWERS.get(self.path.removesuffix("/api/token/refresh/"))
        self.send_response(401 if found is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), LabelStudio)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def token(text: str, base: str) -> Token:
    return Token(text, base, Allowed(["127.0.0.1"], private=True))


def test_a_legacy_token_is_sent_as_it_is(url: str) -> None:
    ASKED.clear()
    assert token("0123abcd", url).authorization() == "Token 0123abcd"
    assert token("", url).authorization() == ""
    assert not ASKED


def test_a_personal_one_is_exchanged_once(url: str) -> None:
    ASKED.clear()
    personal = token(PERSONAL, url)
    assert [personal.authorization() for _ in range(3)] == ["Bearer short"] * 3
    ((path, body),) = ASKED
    assert path == "/api/token/refresh/"
    assert json.loads(body) == {"refresh": PERSONAL}


@pytest.mark.parametrize("path", ["/odd", "/number", "/none", "/list", "/refused"])
def test_what_is_no_access_token(url: str, path: str) -> None:
    with pytest.raises(ImageError, match=r"does not take PUPILA_LABELSTUDIO_TOKEN: its") as caught:
        token(PERSONAL, url + path).authorization()
    assert PERSONAL not in str(caught.value)


def test_one_that_is_away() -> None:
    with pytest.raises(ImageError, match="it cannot be fetched"):
        token(PERSONAL, "http://127.0.0.1:1").authorization()
