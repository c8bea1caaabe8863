"""Spreads connections over the workers, each of which answers on one event loop.

Workers accept from the same sockets, and nobody sees to it that each gets its part: of 16 clients
that connected at once on two processors, one of two workers got all in eleven of fifteen runs. So a
worker that has many more than another passes on what it has just accepted, unread, as a file
descriptor; there it is served like those that were accepted there.
"""

import asyncio
import contextlib
import mmap
import socket
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import internals
import internals_metrics
from serving.http.protocol import HttpProtocol
from serving.http.server import HttpServer

_TIMES: Final = 2
"""A worker passes on what comes while it has so many times as many connections as another. With as
many as equal numbers take, clients with a connection for each request got a fifth fewer answers;
others get as many answers as with equal numbers."""

_COUNTS: Final = "connections"
_MOST: Final = 65_535


class Spreading:
    """Of one worker; its methods run in the event loop."""

    def __init__(self, server: HttpServer, folder: Path, number: int, workers: int) -> None:
        """``folder``: the same for all workers; ``number``: of this one, from 1. Raises OSError
        where there can be no Unix socket."""
        self._server = server
        self._folder = folder
        self._number = number
        self._loop = asyncio.get_running_loop()
        self._tasks = set[asyncio.Task[None]]()
        self._has_left = False
        # What each has, and one more; 0 for one that takes no others' connections.
        self._counts = _mapped(folder / _COUNTS, workers + 1)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            # The least that the system allows, some five: more would wait for one that hangs.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            path = self._path(number)
            # Of the worker whose place this one has taken.
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._receive)
        self.count()

    @classmethod
    def of_this_worker(cls, workers: int) -> Self | None:
        """None for one without others, and where none can be reached."""
        server, folder = HttpServer.of_this_process(), internals_metrics.folder()
        number = internals.worker_number()
        if server is None or folder is None or number is None or not 1 <= number <= workers:
            return None
        try:
            return cls(server, folder, number, workers) if workers > 1 else None
        except OSError:
            return None

    def leave(self) -> None:
        """Have others pass nothing on to this worker any more; what is under way is served."""
        self._has_left = True
        self._counts[self._number] = 0

    def count(self) -> None:
        """Tell the others how many connections are here."""
        if not self._has_left:
            self._counts[self._number] = min(self._server.connections + 1, _MOST)

    def pass_on(self, transport: asyncio.Transport) -> bool:
        """Whether another worker, which has fewer, was given a new connection."""
        if self._has_left or transport.get_extra_info("sslcontext") is not None:
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
        yield
        if spreading is not None:
            cls.spreading = None
            spreading.close()

    @classmethod
    def leave(cls) -> None:
        """Called when it is about to end."""
        if cls.spreading is not None:
            cls.spreading.leave()

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


def _mapped(path: Path, numbers: int) -> Any:
    """uint16 [numbers], shared by all who map the file."""
    with path.open("ab") as made:
        # Zeros, whoever comes first.
        made.truncate(2 * numbers)
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), 2 * numbers)).cast("H")
