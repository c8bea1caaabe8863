"""Large bodies by raw sockets, to a real uvicorn protocol in this process."""

import asyncio
import gc
import gzip
import random
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.server import ServerState

from errors import BadRequestError, OverloadedError, RequestError
from serving.http import body as body_module
from serving.http import shortcuts
from serving.http.body import is_client_gone, read_body
from serving.http.guard import Limits
from serving.http.protocol import HttpProtocol
from serving.http.reply import Reply, error_reply
from tests.waiting import PATIENCE_SECONDS, until_async

LARGE = random.Random(0).randbytes(3_000_001)
LIMIT = 2 * len(LARGE)


def post(content: bytes, *headers: bytes, path: bytes = b"/") -> bytes:
    lines = [b"POST %s HTTP/1.1" % path, b"Host: x", b"Content-Length: %d" % len(content), *headers]
    return b"\r\n".join([*lines, b"", content])


@dataclass
class App:
    """Answers with the sum of the body; on ``/full``, there is no room for a million bytes, on
    ``/unread``, it is not read. ``late_turns``: of the event loop, after the headers are there, in
    each of which 32 KB of what has arrived by then go through the parser."""

    late_turns: int = 0
    held: list[int] = field(default_factory=list)
    direct: int = 0
    errors: list[str] = field(default_factory=list)
    gone: list[bool] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def hold(size: int) -> None:
            self.held.append(size)
            if scope["path"] == "/full" and sum(self.held) > 1_000_000:
                raise OverloadedError("The server is out of room; try again.", "capacity")

        for _ in range(self.late_turns):
            await asyncio.sleep(0)
        try:
            unread = scope["path"] == "/unread"
            content = b"" if unread else await read_body(scope, receive, LIMIT, hold)
            assert type(content) is bytes
            self.gone.append(is_client_gone(receive))
            text = b"%d" % sum(content)
            reply = Reply(200, [(b"content-length", b"%d" % len(text))], text)
        except RequestError as error:
            self.errors.append(str(error))
            reply = error_reply(error)
        await reply.send(send)


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    def run_it(test: Any) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(test, PATIENCE_SECONDS))

    return run_it


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    app = App()

    def counted(receive: Receive, start: bytes, size: int) -> Any:
        found = receive_directly(receive, start, size)
        app.direct += found is not None
        return found

    receive_directly = shortcuts.receive_directly
    monkeypatch.setattr(body_module, "receive_directly", counted)
    monkeypatch.setattr(HttpProtocol, "limits", Limits(9, 9, 9, 16, 0.02), raising=False)
    monkeypatch.setattr(HttpProtocol, "_guards", {})
    return app


@asynccontextmanager
async def served(app: App, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    config, state = Config(app=app, lifespan="off", http=HttpProtocol), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: HttpProtocol(config, state, {}), "127.0.0.1", 0, ssl=context
    )
    try:
        yield int(server.sockets[0].getsockname()[1])
        await until_async(lambda: not state.connections, "no connection")
    finally:
        # uvloop does not end with connections that are open.
        server.close()
        for connection in list(state.connections):
            cast("HttpProtocol", connection).transport.abort()
        await until_async(lambda: not state.connections, "no connection")


@asynccontextmanager
async def connected(
    app: App, server: ssl.SSLContext | None = None, client: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client of the app, until the block ends."""
    async with served(app, server) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].split()[0])
    return int(head.split()[1]), await reader.readexactly(size)


SUM = (200, b"%d" % sum(LARGE))


def test_all_of_it_arrives_and_the_connection_goes_on(app: App, run: Any) -> None:
    async def test() -> None:
        async with connected(app) as (reader, writer):
            for _ in range(3):
                writer.write(post(LARGE))
                assert await answer(reader) == SUM
                writer.write(post(b"\1\2"))
                assert await answer(reader) == (200, b"3")
        assert app.direct == 3
        assert sum(app.held) == 3 * len(LARGE)
        assert app.gone == [False] * 6

    run(test())


@pytest.mark.parametrize("turns", [1, 3, 50])
def test_whoever_reads_late_gets_what_has_gone_through_the_parser_too(
    app: App, run: Any, turns: int
) -> None:
    app.late_turns = turns

    async def test() -> None:
        async with connected(app) as (reader, writer):
            for _ in range(2):
                writer.write(post(LARGE))
                assert await answer(reader) == SUM
        assert app.direct == 2
        assert sum(app.held) == 2 * len(LARGE)

    run(test())


@pytest.mark.parametrize("turns", [0, 3])
def test_whoever_reads_by_messages_gets_all_of_it(
    app: App, run: Any, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.late_turns = turns
    monkeypatch.setattr(body_module, "receive_directly", lambda *_: None)

    async def test() -> None:
        async with connected(app) as (reader, writer):
            writer.write(post(LARGE) + post(LARGE) + post(b"\2"))
            for expected in (SUM, SUM, (200, b"2")):
                assert await answer(reader) == expected
        assert app.direct == 0

    run(test())


def test_what_nobody_reads_is_passed_over(app: App, run: Any) -> None:
    async def test() -> None:
        async with connected(app) as (reader, writer):
            for _ in range(2):
                writer.write(post(LARGE, path=b"/unread") + post(LARGE) + post(b"\2"))
                for expected in ((200, b"0"), SUM, (200, b"2")):
                    assert await answer(reader) == expected

    run(test())


def bodies_in_memory() -> list[int]:
    views = [one for one in gc.get_objects() if type(one) is memoryview]
    return [view.nbytes for view in views if view.nbytes >= len(LARGE) / 10]


@pytest.mark.parametrize("path", [b"/", b"/full"])
def test_nothing_of_it_stays_while_its_connection_does(app: App, run: Any, path: bytes) -> None:
    async def test() -> None:
        async with connected(app) as (reader, writer):
            writer.write(post(LARGE, path=path))
            await answer(reader)
            assert app.direct == 1
            assert bodies_in_memory() == []

    run(test())


def test_requests_behind_one_another(app: App, run: Any) -> None:
    async def test() -> None:
        async with connected(app) as (reader, writer):
            writer.write(post(b"\1") + post(LARGE) + post(LARGE) + post(b"\2"))
            for expected in ((200, b"1"), SUM, SUM, (200, b"2")):
                assert await answer(reader) == expected

    run(test())


def test_headers_alone_first(app: App, run: Any) -> None:
    async def test() -> None:
        async with connected(app) as (reader, writer):
            head = post(LARGE, b"Expect: 100-continue").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            writer.write(head)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            for start in range(0, len(LARGE), 700_000):
                writer.write(LARGE[start : start + 700_000])
                await writer.drain()
                await asyncio.sleep(0)
            assert await answer(reader) == SUM
        assert app.direct == 1

    run(test())


def test_the_last_request_of_a_client_is_followed_by_the_end(app: App, run: Any) -> None:
    async def test() -> None:
        async with connected(app) as (reader, writer):
            writer.write(post(LARGE, b"Connection: close"))
            assert await answer(reader) == SUM
            assert await reader.read() == b""
        assert app.direct == 1

    run(test())


def test_a_compressed_one(app: App, run: Any) -> None:
    async def test() -> None:
        async with connected(app) as (reader, writer):
            writer.write(post(gzip.compress(LARGE), b"Content-Encoding: gzip"))
            assert await answer(reader) == SUM
        assert app.direct == 1

    run(test())


def test_one_for_which_there_is_no_room_is_refused_while_it_is_sent(app: App, run: Any) -> None:
    async def test() -> None:
        async with connected(app) as (reader, writer):
            writer.write(post(LARGE, path=b"/full") + post(b"\1"))
            status, _ = await answer(reader)
            assert (status, app.direct) == (503, 1)
            assert await reader.read() == b""

    run(test())


def test_nobody_gets_room_for_more_than_twice_what_he_has_sent(app: App, run: Any) -> None:
    async def test() -> None:
        async with connected(app) as (reader, writer):
            writer.write(post(LARGE)[:400_000])
            await until_async(lambda: sum(app.held) >= 400_000, lambda: app.held)
            writer.close()
            await until_async(lambda: app.errors, "the end")
            assert await reader.read() == b""
        assert app.errors == [str(BadRequestError("The body ended before it was complete."))]
        assert sum(app.held) <= 800_000

    run(test())


def test_one_that_does_not_arrive_in_time(
    app: App, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HttpProtocol, "limits", Limits(9, 0.1, 9, 16, 0.02), raising=False)

    async def test() -> None:
        async with connected(app) as (reader, writer):
            writer.write(post(LARGE)[:1_000_000])
            assert (await answer(reader))[0] == 408
            # What still comes is dropped, and the client is not reset before it has the answer.
            writer.write(LARGE)
            await writer.drain()
            assert await reader.read() == b""
        assert app.direct == 1

    run(test())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_over_tls(app: App, run: Any, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", str(key), "-out", str(certificate), "-subj", "/CN=localhost"]
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=certificate)
    client.check_hostname = False

    async def test() -> None:
        async with connected(app, server, client) as (reader, writer):
            for _ in range(2):
                writer.write(post(LARGE))
                await writer.drain()
                assert await answer(reader) == SUM
        assert app.direct == 2

    run(test())
