"""uvicorn's server, by what release 0.54 does not document; its connections are in ``protocol.py``
and ``shortcuts.py``. ``tests/serving/http/test_server.py`` checks each use by name.
"""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final, Self

from uvicorn import Server
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.server import HANDLED_SIGNALS

# uvicorn's tick at which a second is over.
_SECOND: Final = 0


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections in a socket's queue; ends when none is left, or none can be accepted."""
    listener.setblocking(False)
    with contextlib.suppress(OSError):
        while True:
            yield listener.accept()[0]


class HttpServer:
    """The uvicorn server of this process."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @classmethod
    def of_this_process(cls) -> Self | None:
        """The server that handles SIGTERM now; None outside of uvicorn and its main thread."""
        server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        is_main = threading.current_thread() is threading.main_thread()
        return cls(server) if isinstance(server, Server) and is_main else None

    @property
    def _listening(self) -> list[asyncio.Server]:
        """None while the application starts; it may be told to end, or be passed connections."""
        return getattr(self._server, "servers", [])

    def stop_listening(self) -> list[socket.socket]:
        """Close the listeners; returns copies of their sockets, which may hold connections that
        were not accepted yet."""
        copies = [
            socket.socket(fileno=os.dup(listener.fileno()))
            for listening in self._listening
            for listener in listening.sockets
        ]
        for listening in self._listening:
            listening.close()
        return copies

    def queued(self) -> Iterator[socket.socket]:
        """Accepts the connections that wait; ends when none does, or none can be accepted."""
        for listening in self._listening:
            for listener in listening.sockets:
                # A copy, because an event loop's own sockets do not accept.
                with socket.socket(fileno=os.dup(listener.fileno())) as copy:
                    yield from accepted(copy)

    async def adopt(self, client: socket.socket, kind: type | None = None) -> None:
        """Serve an accepted connection like those that uvicorn accepts itself, or by a ``kind`` of
        their class."""
        server, config = self._server, self._server.config
        client.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: (kind or config.http_protocol_class)(
                config=config, server_state=server.server_state, app_state=server.lifespan.state
            ),
            client,
            ssl=config.ssl,
        )

    @property
    def connections(self) -> int:
        return len(self._server.server_state.connections)

    @property
    def protocols(self) -> Iterator[Any]:
        """Of the connections, all of the class that ``use_http_protocol`` was told."""
        return iter(self._server.server_state.connections)

    def exit(self) -> None:
        """What uvicorn does by itself on SIGTERM."""
        self._server.handle_exit(signal.SIGTERM, None)

    def tick_each_second(self) -> None:
        """Have the server be told of its end, for which uvicorn looks ten times a second; every
        tenth time, it also takes the time for the answers' headers.

        Call it before the server has started, once it has its handlers of signals.
        """
        server, loop = self._server, asyncio.get_running_loop()
        handle, told = server.handle_exit, asyncio.Event()

        def handle_exit(number: int, frame: FrameType | None) -> None:
            handle(number, frame)
            loop.call_soon_threadsafe(told.set)

        async def main_loop() -> None:
            while not await server.on_tick(_SECOND):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await told.wait()

        for number in HANDLED_SIGNALS:
            if signal.getsignal(number) == handle:
                signal.signal(number, handle_exit)
        vars(server).update(handle_exit=handle_exit, main_loop=main_loop)


def use_http_protocol(path: str) -> None:
    """Have uvicorn make its connections of the class at ``path``, such as ``module:Class``.

    BentoML passes no ``http`` option on to uvicorn, which then reads this table.
    """
    HTTP_PROTOCOLS["auto"] = path


def certificate_expiry() -> float | None:
    """When the certificate that uvicorn serves expires, in seconds since 1970; None if it serves
    none, or outside of uvicorn. Called before SIGTERM is handled by anybody else."""
    server = HttpServer.of_this_process()
    if server is None or server._server.config.ssl_certfile is None:
        return None
    # What Python's own tests read certificates with; it takes those of others from connections.
    path = str(server._server.config.ssl_certfile)
    decoded: dict[str, Any] = ssl._ssl._test_decode_cert(path)  # type: ignore[attr-defined]
    return float(ssl.cert_time_to_seconds(decoded["notAfter"]))
