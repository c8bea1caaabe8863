"""Spreads connections over the workers, each of which answers on one event loop.

Workers accept from the same sockets, and nobody sees to it that each gets its part: of 16 clients
that connected at once on two processors, one of two workers got all in eleven of fifteen runs. So a
worker that has many more than another passes on what it has just accepted, unread, as a file
descriptor; there it is served like those that were accepted there. One that stays may be passed on
later, between two requests, if the clients that ask are not evenly shared; see ``balance.py``.
"""

import asyncio
import contextlib
import socket
from array import array
from pathlib import Path
from typing import Final, Self

from serving.http.balance import Balance
from serving.http.server import HttpServer
from serving.sharing import MOST, Place, numbers, place

_TIMES: Final = 2
"""A worker passes on what comes while it has so many times as many connections as another. To pass
on as soon as another has fewer brought no more answers, and cost clients with a connection for each
request a fifth of theirs."""

_COUNTS: Final = "connections"

_ASKED_SECONDS: Final = 1.5
"""How long ago a client may have asked to count as one that does: a connection's times are half a
second old."""

_COUNT_SECONDS: Final = 1.0
"""How often each says what it has, besides when that changes: another may just have written what
was so a moment before."""


class Spreading:
    """Of one worker; its methods run in the event loop."""

    def __init__(
        self,
        server: HttpServer,
        here: Place,
        workers: int,
        room: int = MOST,
        given: type | None = None,
    ) -> None:
        """``room``: how many connections this worker has without closing any for a new one;
        ``given``: the class of those that others pass on to it, if that is another.

        Raises OSError where the workers can have no file.
        """
        self._server = server
        self._folder, self._number = here
        self._room = room
        self._given = given
        self._loop = asyncio.get_running_loop()
        self._tasks = set[asyncio.Task[None]]()
        self._is_in = False
        self._timer: asyncio.TimerHandle | None = None
        # What each has, and one more; 0 for one that takes no others' connections.
        self._counts = numbers(self._folder / _COUNTS, workers + 1)
        # By the worker whose place this one has taken.
        self._counts[self._number] = 0
        self._balance = Balance(self._folder, self._number, workers)
        # By the worker to whom they send: what waits for one that hangs leaves no room for others.
        self._to = dict[int, socket.socket]()
        self._path(self._number).unlink(missing_ok=True)
        self._socket = _datagrams()

    @classmethod
    def of_this_worker(
        cls, workers: int, room: int = MOST, given: type | None = None
    ) -> Self | None:
        """None for one without others, and where none can be reached."""
        server, here = HttpServer.of_this_process(), place()
        if workers == 1 or server is None or here is None or here.number > workers:
            return None
        try:
            return cls(server, here, workers, room, given)
        except OSError:
            return None

    def join(self) -> None:
        """Take others' connections from now on: before it has read the store and the keys, a worker
        would refuse what they ask for. Does nothing where there can be no Unix socket."""
        try:
            # Not before: what was sent then would wait until now.
            self._socket.bind(str(self._path(self._number)))
        except OSError:
            return
        self._is_in = True
        self._loop.add_reader(self._socket, self._receive)
        self._keep_counting()

    def leave(self) -> None:
        """Have others pass nothing on to this worker any more; what is under way is served."""
        self._is_in = False
        self.count()

    def count(self) -> None:
        """Tell the others how many connections are here, and whether more may come."""
        count = self._server.connections
        takes = self._is_in and count < self._room
        self._counts[self._number] = min(count + 1, MOST) if takes else 0

    @property
    def has_surplus(self) -> bool:
        """Whether a client that stays should rather be another worker's."""
        return self._balance.surplus > 0

    @property
    def _takers(self) -> list[int]:
        """The others to whom something can be passed on."""
        return [n for n, count in enumerate(self._counts) if count and n != self._number]

    def _keep_counting(self) -> None:
        self.count()
        if self._is_in:
            since = self._loop.time() - _ASKED_SECONDS
            clients = sum(one.asks(since) for one in self._server.protocols)
            self._balance.tell(clients, self._takers)
        self._timer = self._loop.call_later(_COUNT_SECONDS, self._keep_counting)

    def pass_on(self, transport: asyncio.Transport) -> bool:
        """Whether another worker, which has fewer, was given a new connection."""
        if not self._is_in or transport.get_extra_info("sslcontext") is not None:
            return False
        here = self._server.connections
        for number in sorted(self._takers, key=self._counts.__getitem__):
            if here < min(self._room, max(1, _TIMES * (self._counts[number] - 1))):
                break
            if self._give(transport, number):
                return True
        return False

    def move(self, transport: asyncio.Transport) -> bool:
        """Whether another worker was given a connection of which nothing is under way."""
        if not self._is_in or not self.has_surplus:
            return False
        is_encrypted = transport.get_extra_info("sslcontext") is not None
        number = self._balance.choose([] if is_encrypted else self._takers)
        if number is None:
            return False
        if self._give(transport, number):
            self._balance.gave(number)
            return True
        # Not with each answer until then.
        self._balance.surplus = 0
        return False

    def _give(self, transport: asyncio.Transport, number: int) -> bool:
        try:
            self._send(transport.get_extra_info("socket").fileno(), number)
        except BlockingIOError:
            # It has not come to take the last few; another may.
            return False
        except OSError:
            # Whoever replaces it tells that it is there.
            self._counts[number] = 0
            return False
        self._counts[number] = min(self._counts[number] + 1, MOST)
        return True

    def close(self) -> None:
        """Once; what others have passed on and was not taken is closed."""
        self.leave()
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket)
        for one in (self._socket, *self._to.values()):
            one.close()

    def _send(self, descriptor: int, number: int) -> None:
        """Raises OSError, of which BlockingIOError is one, where it does not arrive."""
        if number not in self._to:
            self._to[number] = _datagrams()
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))
        # Not socket.send_fds, which forgets the address.
        self._to[number].sendmsg([b"1"], [rights], 0, str(self._path(number)))

    def _path(self, number: int) -> Path:
        return self._folder / f"{_COUNTS}.{number}"

    def _receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                for descriptor in socket.recv_fds(self._socket, 1, 1)[1]:
                    task = self._loop.create_task(self._adopt(socket.socket(fileno=descriptor)))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        # Who has passed something on has written what is here now, or that nobody is.
        self.count()

    async def _adopt(self, client: socket.socket) -> None:
        try:
            await self._server.adopt(client, self._given)
        except OSError:
            # It has gone meanwhile.
            client.close()


def _datagrams() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    # The least that the system allows, some five: more would wait for one that hangs.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    return made
