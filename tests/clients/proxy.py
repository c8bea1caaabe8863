"""Passes requests on to a server, and keeps them and their answers."""

import base64
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

# Of the answer they are the proxy's own business.
_HOP = {"connection", "transfer-encoding", "keep-alive"}


@contextmanager
def recording(url: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address to ask in place of ``url``, and what was asked and answered, in order."""
    kept: list[dict[str, Any]] = []
    target = urlsplit(url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def answer(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(size)
            there = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
            headers = dict(self.headers.items())
            there.request(self.command, self.path, body or None, headers)
            got = there.getresponse()
            content = got.read()
            there.close()
            kept.append(
                {
                    "method": self.command,
                    "path": self.path,
                    "headers": {
                        name: value
                        for name, value in headers.items()
                        if name.lower() not in ("host", "user-agent")
                    },
                    "body": base64.b64encode(body).decode(),
                    "status": got.status,
                    "answer": base64.b64encode(content).decode(),
                }
            )
            self.send_response(got.status)
            for name, value in got.getheaders():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - as http.server calls them

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
