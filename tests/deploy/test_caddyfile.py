"""The proxy of the profile tls, by Caddy itself."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx2
import pytest

from tests.servers import ROOT, free_port
from tests.waiting import PATIENCE_SECONDS, until

FILE = ROOT / "deploy" / "compose" / "Caddyfile"


class Upstream(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = self.path.encode() + b" " + body
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Nothing, on stderr."""


@contextmanager
def upstream() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def caddy() -> str:
    found = shutil.which("caddy")
    if found is None:
        if os.environ.get("REQUIRE_CADDY") == "1":
            pytest.fail("caddy is not installed")
        pytest.skip("caddy is not installed")
    return found


def environment(tmp_path: Path, **settings: object) -> dict[str, str]:
    folders = {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    return folders | {name: str(value) for name, value in settings.items()}


def test_the_file_is_valid_and_well_formatted(caddy: str, tmp_path: Path) -> None:
    given = environment(tmp_path, DOMAIN="pupila.example.com")
    for command in ("validate --adapter caddyfile --config", "fmt --diff"):
        done = subprocess.run(
            [caddy, *command.split(), str(FILE)],
            env=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout


def test_it_passes_requests_on_but_not_the_metrics(caddy: str, tmp_path: Path) -> None:
    # Another of its kind may have the port by which it is managed.
    file = tmp_path / "Caddyfile"
    file.write_text(FILE.read_text().replace("127.0.0.1:2019", f"127.0.0.1:{free_port()}"))
    port = free_port()
    with upstream() as behind:
        given = environment(
            tmp_path, DOMAIN=f"http://127.0.0.1:{port}", UPSTREAM=f"127.0.0.1:{behind}"
        )
        command = [caddy, "run", "--adapter", "caddyfile", "--config", str(file)]
        with (
            subprocess.Popen(command, env=given, stderr=subprocess.DEVNULL) as process,
            httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client,
        ):
            try:

                def answer() -> str:
                    try:
                        return client.post("/predict/", content=b"body").text
                    except httpx2.TransportError:
                        return ""

                until(lambda: answer() == "/predict/ body", "an answer through Caddy")
                assert client.get("/metrics").status_code == 404
            finally:
                process.terminate()
