"""Clients, against servers that answer, refuse and hang up."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from demo.traffic import Traffic, moved
from tests.waiting import until


class Handler(http.server.BaseHTTPRequestHandler):
    """Every fourth request gets 503, and every other fourth no answer."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        number = Handler.count = Handler.count + 1
        if number % 4 == 1:
            self.close_connection = True
            return
        body = b'{"prediction":"7"}' if number % 4 else b'{"detail":"full"}'
        self.send_response(200 if number % 4 else 503)
        self.send_header("X-Model-Version", "clf:abc")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """To nobody."""


@pytest.fixture
def url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_request_is_told_whatever_became_of_it(url: str) -> None:
    with Traffic(url, 1, rate=50) as traffic:
        answers = traffic.answers()

        def moved_and_fresh() -> bool:
            answers.extend(traffic.answers())
            if len(answers) > 8:
                traffic.shift()
                traffic.refresh()
            return any(one.moved > 0 and one.fresh for one in answers)

        until(moved_and_fresh, "an answer after the shift")
        assert traffic.running
    assert {one.status for one in answers} == {200, 503, 0}
    for one in answers:
        right = ("7", "abc") if one.status == 200 else (None, "abc" if one.status else "")
        assert (one.prediction, one.version) == right
    assert len({one.request_id for one in answers}) == len(answers)
    assert answers[0].moved == 0
    assert not answers[0].fresh
    assert not traffic.running


def test_the_camera_moves_for_a_while() -> None:
    assert [moved(seconds) for seconds in (float("-inf"), -1, 0, 5, 10, 99)] == [0, 0, 0, 0.5, 1, 1]
