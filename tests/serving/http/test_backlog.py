"""Who is accepted besides the one of a turn, by a real socket and a clock that the tests turn."""

import asyncio
import socket
from collections.abc import Iterator
from typing import cast

import pytest

from serving.http.backlog import Backlog
from serving.http.server import HttpServer, accepted


class Listening:
    """The part of a server that a backlog uses."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.adopted: list[socket.socket] = []

    def queued(self) -> Iterator[socket.socket]:
        return accepted(self._listener)

    async def adopt(self, client: socket.socket) -> None:
        self.adopted.append(client)
        if len(self.adopted) == 2:
            raise ConnectionResetError


@pytest.mark.parametrize(
    ("turns", "expected"), [([0.001, 0.002], 0), ([0.004], 8), ([0.001, 0.004], 8), ([1.0], 20)]
)
def test_the_longer_a_turn_the_more_are_accepted(turns: list[float], expected: int) -> None:
    now = 0.0

    async def accept() -> int:
        nonlocal now
        with socket.create_server(("127.0.0.1", 0)) as listener:
            waiting = [socket.create_connection(listener.getsockname()) for _ in range(20)]
            server = Listening(listener)
            backlog = Backlog(cast("HttpServer", server), asyncio.get_running_loop(), lambda: now)
            for seconds in turns:
                # The second of a turn asks for nothing more.
                backlog.relieve()
                backlog.relieve()
                now += seconds
                # One turn to find out, one to adopt, and one to be told of it.
                for _ in range(5):
                    await asyncio.sleep(0)
            for client in [*waiting, *server.adopted]:
                client.close()
        return len(server.adopted)

    assert asyncio.run(accept()) == expected


def test_there_is_none_outside_of_a_server() -> None:
    async def found() -> Backlog | None:
        return Backlog.of_this_process()

    assert asyncio.run(found()) is None
