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
from tests.waiting import until_async

# Of tests/data/certificate.pem, as openssl x509 -enddate tells it.
EXPIRES = datetime(2036, 11, 23, 15, 28, 33, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "name", ["handle_exit", "main_loop", "servers", "server_state", "config", "lifespan"]
)
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


async def test_a_server_is_told_of_its_end() -> None:
    """On its own, uvicorn would look for it ten times a second."""
    server = uvicorn.Server(uvicorn.Config(app="x:y"))
    before = signal.signal(signal.SIGINT, server.handle_exit)
    try:
        HttpServer(server).tick_each_second()
        running = asyncio.create_task(server.main_loop())
        await until_async(lambda: server.server_state.default_headers)
        signal.raise_signal(signal.SIGINT)
        await running
    finally:
        signal.signal(signal.SIGINT, before)
    assert server.should_exit


async def test_a_server_ends_as_it_does_on_sigterm() -> None:
    server = uvicorn.Server(uvicorn.Config(app="x:y"))
    HttpServer(server).tick_each_second()
    running = asyncio.create_task(server.main_loop())
    HttpServer(server).exit()
    await running
    assert server.should_exit


def test_uvicorn_takes_the_time_at_the_tick_that_is_used() -> None:
    source = inspect.getsource(uvicorn.Server)
    assert "if counter % 10 == 0:" in source
    assert source.count("await self.main_loop()") == 1


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
