"""Graceful shutdown: stop accepting, answer everyone already connected.

On SIGTERM a worker first tells its clients, by ``/readyz`` and by ``Connection: close`` on each
answer, to send their next request elsewhere, and goes on answering for a while. Then it accepts the
connections that are still in the sockets' queues, closes the sockets, and answers those too. By
itself, uvicorn drops the queued connections and closes those whose request it has not read yet: 15
requests of 1,400 a second.
"""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType

from starlette.types import Message, Send

from serving.http.server import HttpServer, accepted

# How long the sockets accept nobody before they are closed, so that no handshake is in progress.
_QUIET_SECONDS = 0.05

# How long the last accepted connections have to send their request.
_LAST_SECONDS = 1.0


class Drain:
    """Delays uvicorn's shutdown on SIGTERM by ``seconds`` and a little more."""

    def __init__(self, seconds: float) -> None:
        self.begun = False
        self._seconds = seconds
        self._draining: asyncio.Task[None] | None = None

    def listen(self, at_once: Callable[[], None]) -> None:
        """Handle SIGTERM from now on; ``at_once`` is called when it comes.

        Call it in uvicorn's event loop, after uvicorn has installed its own handler, as when the
        application starts. Has no effect in any other server, such as the tests' in a thread.
        """
        server = HttpServer.of_this_process()
        if server is None:
            return
        loop = asyncio.get_running_loop()

        def begin(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._begin, server, at_once)

        signal.signal(signal.SIGTERM, begin)
        server.tick_each_second()

    def _begin(self, server: HttpServer, at_once: Callable[[], None]) -> None:
        if not self.begun:
            self.begun = True
            at_once()
            self._draining = asyncio.create_task(self._drain(server))

    async def _drain(self, server: HttpServer) -> None:
        try:
            await asyncio.sleep(self._seconds)
            if self._seconds:
                await _stop_accepting(server)
                await _wait_for_answers(server)
        finally:
            server.exit()


async def _stop_accepting(server: HttpServer) -> None:
    """Accept the connections in the queues of the server's sockets, and none after them."""
    sockets = server.stop_listening()
    for listener in sockets:
        # A queue of one; the kernel ignores further attempts to connect. When the sockets close,
        # these are refused, as if the server had not been there.
        listener.listen(0)
    for client in [client for listener in sockets for client in accepted(listener)]:
        await server.adopt(client)
    await asyncio.sleep(_QUIET_SECONDS)
    last = [client for listener in sockets for client in accepted(listener)]
    for listener in sockets:
        listener.close()
    for client in last:
        await server.adopt(client)


async def _wait_for_answers(server: HttpServer) -> None:
    """Until every connection has had its last answer; an idle one is not waited for."""
    waited = 0.0
    while server.connections and waited < _LAST_SECONDS:
        await asyncio.sleep(_QUIET_SECONDS)
        waited += _QUIET_SECONDS


def closing(send: Send) -> Send:
    """``send``, but asking the client to close its connection after the response."""

    async def closing_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing_send
