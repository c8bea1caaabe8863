"""What is used of uvicorn without being documented: each attribute, by its name."""

import asyncio
import inspect
import signal
from datetime import UTC, datetime

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from serving.http.server import HttpServer, certificate_expiry
from tests.servers import ROOT

# Of tests/data/certificate.pem, as openssl x509 -enddate tells it.
EXPIRES = datetime(2036, 11, 23, 15, 28, 33, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("name", ["handle_exit", "servers", "server_state", "config", "lifespan"])
def test_uvicorn_s_server_has(name: str) -> None:
    server = uvicorn.Server(uvicorn.Config(app="x:y"))
    # What is assigned once the server runs is told by its source.
    assert hasattr(server, name) or f"self.{name}" in inspect.getsource(uvicorn.Server)


def test_uvicorn_s_protocol_is_made_as_drain_makes_it() -> None:
    parameters = inspect.signature(HttpToolsProtocol.__init__).parameters
    assert {"config", "server_state", "app_state"} <= parameters.keys()
    assert hasattr(ServerState(), "connections")


@pytest.mark.parametrize(
    "name",
    [
        "access_log", "body", "default_headers", "disconnected", "flow", "keep_alive",
        "message_event", "more_body", "on_response", "response_complete", "response_started",
        "scope", "transport", "waiting_for_100_continue",
    ],
)  # fmt: skip
def test_uvicorn_s_request_has(name: str) -> None:
    source = inspect.getsource(RequestResponseCycle.__init__)
    assert f"self.{name} =" in source or f"self.{name}:" in source
    assert asyncio.iscoroutinefunction(RequestResponseCycle.send)
    assert asyncio.iscoroutinefunction(RequestResponseCycle.receive)


def test_no_server_is_found_outside_of_uvicorn() -> None:
    assert not isinstance(
        getattr(signal.getsignal(signal.SIGTERM), "__self__", None), uvicorn.Server
    )
    assert HttpServer.of_this_process() is None


def test_a_server_that_starts_listens_nowhere() -> None:
    server = HttpServer(uvicorn.Server(uvicorn.Config(app="x:y")))
    assert list(server.queued()) == []
    assert server.stop_listening() == []


def test_a_server_with_a_certificate_knows_when_it_expires() -> None:
    assert certificate_expiry() is None
    before = signal.getsignal(signal.SIGTERM)
    try:
        for path, expected in ((None, None), (ROOT / "tests/data/certificate.pem", EXPIRES)):
            server = uvicorn.Server(uvicorn.Config(app="x:y", ssl_certfile=path))
            signal.signal(signal.SIGTERM, server.handle_exit)
            assert certificate_expiry() == expected
    finally:
        signal.signal(signal.SIGTERM, before)
