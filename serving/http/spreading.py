"""Spreads connections over the workers, each of which answers on one event loop.

Workers accept from the same sockets, and nobody sees to it that each gets its part: of 16 clients
that connected at once on two processors, one of two workers got all in eleven of fifteen runs. So a
worker that has many more than another passes on what it has just accepted, unread, as a file
descriptor; there it is served like those that were accepted there.
"""

import asyncio
import contextlib
import socket
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final, Self

from serving.http.protocol import HttpProtocol
from serving.http.server import HttpServer
from serving.sharing import Place, mapped, place

_TIMES: Final = 2
"""A worker passes on what comes while it has so many times as many connections as another. To pass
on as soon as another has fewer brought no more answers, and cost clients with a connection for each
request a fifth of theirs."""

_COUNTS: Final = "connections"
_MOST: Final = 65_535


class Spreading:
    """Of one worker; its methods run in the event loop."""

    def __init__(self, server: HttpServer, here: Place, workers: int) -> None:
        """Raises OSError where there can be no Unix socket."""
        self._server = server
        self._folder, self._number = here
        self._loop = asyncio.get_running_loop()
        self._tasks = set[asyncio.Task[None]]()
        self._is_in = False
        # What each has, and one more; 0 for one that takes no others' connections.
        self._counts = memoryview(mapped(self._folder / _COUNTS, 2 * (workers + 1))).cast("H")
        # By the worker whose place this one has taken.
        self._counts[self._number] = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            # The least that the system allows, some five: more would wait for one that hangs.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            path = self._path(self._number)
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
        except OSError:
            self._socket.close()
            raise

    @classmethod
    def of_this_worker(cls, workers: int) -> Self | None:
        """None for one without others, and where none can be reached."""
        server, here = HttpServer.of_this_process(), place()
        if workers == 1 or server is None or here is None or here.number > workers:
            return None
        try:
            return cls(server, here, workers)
        except OSError:
            return None

    def join(self) -> None:
        """Take others' connections from now on: before it has read the store and the keys, a worker
        would refuse what they ask for."""
        self._is_in = True
        self._loop.add_reader(self._socket, self._receive)
        self.count()

    def leave(self) -> None:
        """Have others pass nothing on to this worker any more; what is under way is served."""
        self._is_in = False
        self._counts[self._number] = 0

    def count(self) -> None:
        """Tell the others how many connections are here."""
        if self._is_in:
            self._counts[self._number] = min(self._server.connections + 1, _MOST)

    def pass_on(self, transport: asyncio.Transport) -> bool:
        """Whether another worker, which has fewer, was given a new connection."""
        if not self._is_in or transport.get_extra_info("sslcontext") is not None:
            return False
        fewest, number = min((n, number) for number, n in enumerate(self._counts) if n)
        if self._server.connections < max(1, _TIMES * (fewest - 1)):
            return False
        descriptors = array("i", [transport.get_extra_info("socket").fileno()])
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)
        try:
            # Not socket.send_fds, which forgets the address.
            self._socket.sendmsg([b"1"], [rights], 0, str(self._path(number)))
        except BlockingIOError:
            # It has not come to take the last few.
            return False
        except OSError:
            # Whoever replaces it tells that it is there.
            self._counts[number] = 0
            return False
        self._counts[number] = min(fewest + 1, _MOST)
        return True

    def close(self) -> None:
        """Once; what others have passed on and was not taken is closed."""
        self.leave()
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _path(self, number: int) -> Path:
        return self._folder / f"{_COUNTS}.{number}"

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                for descriptor in socket.recv_fds(self._socket, 1, 1)[1]:
                    task = self._loop.create_task(self._adopt(socket.socket(fileno=descriptor)))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    async def _adopt(self, client: socket.socket) -> None:
        try:
            await self._server.adopt(client)
        except OSError:
            # It has gone meanwhile.
            client.close()


class SpreadProtocol(HttpProtocol):
    """A connection that may be passed on before anything of it is read."""

    __slots__ = ("_is_here",)

    spreading: ClassVar[Spreading | None] = None

    @classmethod
    @contextlib.contextmanager
    def serving(cls, workers: int) -> Iterator[None]:
        """While the server of this process runs."""
        cls.listen()
        cls.spreading = spreading = Spreading.of_this_worker(workers)
        try:
            yield
        finally:
            cls.spreading = None
            if spreading is not None:
                spreading.close()

    @classmethod
    def join(cls) -> None:
        """Called when it can answer, which is before it accepts by itself."""
        if cls.spreading is not None:
            cls.spreading.join()

    @classmethod
    def leave(cls) -> None:
        """Called when it is about to end, which may be before it could answer."""
        if cls.spreading is not None:
            cls.spreading.leave()
            cls.spreading = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        spreading = self.spreading
        self._is_here = spreading is None or not spreading.pass_on(transport)
        if not self._is_here:
            # Only its descriptor here: the other worker has one of its own.
            transport.abort()
            return
        super().connection_made(transport)
        if spreading is not None:
            spreading.count()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_here:
            super().connection_lost(exc)
            if self.spreading is not None:
                self.spreading.count()
