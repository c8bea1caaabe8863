"""How a worker ends without losing a request: it says so, answers on, and shuts the door behind the
last who came in.

Whoever sends requests here learns from ``/readyz``, and from ``Connection: close`` on each answer,
to send the next one elsewhere. By itself, uvicorn leaves in the socket's queue whoever it has not
accepted, and closes connections whose request it has not read: 15 requests of 1,400 a second.
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from types import FrameType

from starlette.types import Message, Send
from uvicorn import Server

# How long nobody is let in before the door is shut, so that nobody stands in it at that moment.
_STILL_SECONDS = 0.05

# How long who came in last has for sending a request.
_LAST_SECONDS = 1.0


class Drain:
    """Comes between SIGTERM and what uvicorn does about it, ``seconds`` and a little more long."""

    def __init__(self, seconds: float) -> None:
        self.begun = False
        self._seconds = seconds
        self._ending: asyncio.Task[None] | None = None

    def listen(self) -> None:
        """From now on, SIGTERM begins the drain.

        To be called in uvicorn's loop, once it handles signals, as it does when the application
        starts. Without effect in any other server: the tests have one in a thread.
        """
        server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        if not isinstance(server, Server) or threading.current_thread() != threading.main_thread():
            return
        loop = asyncio.get_running_loop()

        def begin(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._begin, server)

        signal.signal(signal.SIGTERM, begin)

    def _begin(self, server: Server) -> None:
        if not self.begun:
            self.begun = True
            self._ending = asyncio.create_task(self._end(server))

    async def _end(self, server: Server) -> None:
        try:
            await asyncio.sleep(self._seconds)
            if self._seconds:
                await _shut_door(server)
                await _wait_for_requests(server)
        finally:
            server.handle_exit(signal.SIGTERM, None)


async def _shut_door(server: Server) -> None:
    """Accept who waits in the queues of the server's sockets, and nobody after them."""
    doors = [
        socket.socket(fileno=os.dup(one.fileno()))
        for listening in server.servers
        for one in listening.sockets
    ]
    for listening in server.servers:
        listening.close()
    for door in doors:
        door.setblocking(False)
        # Now one may wait, and the system does not hear the others: once it tells them that there
        # is no server, their connection was never made.
        door.listen(0)
    for client in _waiting(doors):
        await _let_in(client, server)
    await asyncio.sleep(_STILL_SECONDS)
    last = list(_waiting(doors))
    for door in doors:
        door.close()
    for client in last:
        await _let_in(client, server)


def _waiting(doors: Iterable[socket.socket]) -> Iterator[socket.socket]:
    for door in doors:
        with contextlib.suppress(OSError):
            while True:
                yield door.accept()[0]


async def _let_in(client: socket.socket, server: Server) -> None:
    config = server.config
    client.setblocking(False)
    await asyncio.get_running_loop().connect_accepted_socket(
        lambda: config.http_protocol_class(  # type: ignore[call-arg]
            config=config, server_state=server.server_state, app_state=server.lifespan.state
        ),
        client,
        ssl=config.ssl,
    )


async def _wait_for_requests(server: Server) -> None:
    """Until every connection has had its last answer; one that asks nothing is not waited for."""
    waited = 0.0
    while server.server_state.connections and waited < _LAST_SECONDS:
        await asyncio.sleep(_STILL_SECONDS)
        waited += _STILL_SECONDS


def closing(send: Send) -> Send:
    """``send``, which asks the client to close its connection once it has the response."""

    async def closing_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing_send
