"""The digest of the base image comes from a registry, or is not written."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scripts.base_image import FILE, RenewalError, renew

DIGEST = "sha256:" + "ab" * 32


@contextmanager
def registry(digest: str | None) -> Iterator[tuple[str, list[str]]]:
    """The address of a registry that gives this digest, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"token": "secret"}).encode())

        def do_HEAD(self) -> None:
            asked.append(self.path)
            right = self.headers["Authorization"] == "Bearer secret"
            self.send_response(200 if right and digest is not None else 404)
            if digest is not None:
                self.send_header("Docker-Content-Digest", digest)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base"
    path.write_text(f"python:3.11-slim@sha256:{'0' * 64}\n")
    return path


def test_the_digest_of_the_tag_replaces_the_old_one(base: Path) -> None:
    with registry(DIGEST) as (address, asked):
        assert renew(base, address, f"{address}/token") == f"python:3.11-slim@{DIGEST}"
    assert base.read_text() == f"python:3.11-slim@{DIGEST}\n"
    assert asked[-1] == "/v2/library/python/manifests/3.11-slim"


@pytest.mark.parametrize("digest", [None, "", "sha256:short", f"{DIGEST} x"])
def test_without_a_digest_nothing_is_written(base: Path, digest: str | None) -> None:
    before = base.read_text()
    with registry(digest) as (address, _), pytest.raises(RenewalError):
        renew(base, address, f"{address}/token")
    assert base.read_text() == before


def test_without_a_registry_nothing_is_written(base: Path) -> None:
    before = base.read_text()
    with pytest.raises(RenewalError, match="could not be asked about"):
        renew(base, "http://127.0.0.1:9", "http://127.0.0.1:9/token")
    assert base.read_text() == before


def test_the_image_is_built_from_what_the_file_says() -> None:
    template = Path("deploy/image/Dockerfile.template").read_text()
    tag = FILE.read_text().strip().partition("@")[0]
    assert f"ARG BASE_IMAGE={tag}" in template
    assert template.count("FROM ${BASE_IMAGE}") == template.count("FROM ") == 2
    assert f'base_image: "{tag}"' in Path("bentofile.yaml").read_text()
