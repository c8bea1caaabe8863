"""Who passes which connection on to whom, by two workers' halves of one process."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self, cast

import pytest

from serving.http.server import HttpServer
from serving.http.spreading import Spreading
from serving.sharing import Place
from tests.waiting import until_async


class Client:
    """A connection that asks all the time."""

    def asks(self, _since: float) -> bool:
        return True


class FakeServer:
    """Has as many connections as a test says, and those that were passed on to it."""

    def __init__(self) -> None:
        self.connections = 0
        self.adopted: list[socket.socket] = []
        self.kinds = set[type | None]()
        self.protocols: list[Client] = []

    async def adopt(self, client: socket.socket, kind: type | None = None) -> None:
        self.adopted.append(client)
        self.kinds.add(kind)
        self.connections += 1


class Accepted:
    """A transport of one end of a connection."""

    def __init__(self, is_encrypted: bool = False) -> None:
        self.client, self.socket = socket.socketpair()
        self._is_encrypted = is_encrypted

    def get_extra_info(self, name: str) -> Any:
        if name == "sslcontext":
            return object() if self._is_encrypted else None
        return self.socket

    def abort(self) -> None:
        self.socket.close()


class Worker:
    def __init__(self, here: Place, workers: int, room: int = 20_000) -> None:
        self.server = FakeServer()
        self.spreading = Spreading(cast("HttpServer", self.server), here, workers, room, Client)
        self.accepted: list[Accepted] = []

    def joins(self) -> Self:
        self.spreading.join()
        return self

    def accepts(self, *, is_encrypted: bool = False, sent: bytes = b"") -> bool:
        """Whether it keeps a new connection, in which something was sent."""
        accepted = Accepted(is_encrypted)
        self.accepted.append(accepted)
        accepted.client.sendall(sent)
        passed_on = self.spreading.pass_on(cast("asyncio.Transport", accepted))
        if passed_on:
            accepted.abort()
        else:
            self.server.connections += 1
            self.spreading.count()
        return not passed_on

    def has(self, connections: int) -> None:
        self.server.connections = connections
        self.spreading.count()

    def serves(self, clients: int) -> None:
        """So many that ask all the time."""
        self.server.protocols = [Client() for _ in range(clients)]
        self.has(clients)

    def moves(self, *, is_encrypted: bool = False) -> bool:
        """Whether it gives one of them to another worker."""
        self.accepted.append(Accepted(is_encrypted))
        return self.spreading.move(cast("asyncio.Transport", self.accepted[-1]))

    def close(self) -> None:
        if self.spreading._socket.fileno() >= 0:
            self.spreading.close()
        for end in (*self.server.adopted, *(one.client for one in self.accepted)):
            end.close()
        for one in self.accepted:
            one.abort()


Make = Callable[..., list[Worker]]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes workers by their numbers, which take others' connections."""
    made: list[Worker] = []
    # The path of a Unix socket has at most 107 bytes, and pytest's own may be longer.
    with tempfile.TemporaryDirectory(prefix="pupila-") as folder:

        def make(*numbers: int, workers: int = 2, room: int = 20_000) -> list[Worker]:
            places = [Place(Path(folder), number) for number in numbers]
            new = [Worker(here, workers, room).joins() for here in places]
            made.extend(new)
            return new

        yield make
        for worker in made:
            worker.close()


async def test_no_worker_has_more_than_twice_as_many_as_another(make: Make) -> None:
    first, second = make(1, 2)
    kept = [first.accepts() for _ in range(16)]
    assert kept[:4] == [True, False, True, False]
    assert kept.count(True) == 10
    await until_async(lambda: len(second.server.adopted) == 6, "what was passed on")


async def test_what_is_passed_on_is_the_same_connection(make: Make) -> None:
    first, second = make(1, 2)
    first.has(1)
    assert not first.accepts(sent=b"unread")
    await until_async(lambda: bool(second.server.adopted), "the connection")
    [adopted] = second.server.adopted
    assert adopted.recv(100) == b"unread"
    adopted.sendall(b"answer")
    assert first.accepted[0].client.recv(100) == b"answer"


async def test_it_goes_to_the_one_that_has_the_fewest(make: Make) -> None:
    first, second, third = make(1, 2, 3, workers=3)
    for worker, connections in ((first, 8), (second, 4), (third, 3)):
        worker.has(connections)
    assert not first.accepts()
    await until_async(lambda: bool(third.server.adopted), "the connection")
    assert not second.server.adopted


async def test_a_connection_is_kept_where_no_other_has_far_fewer(make: Make) -> None:
    first, second = make(1, 2)
    second.has(5)
    first.has(8)
    assert [first.accepts() for _ in range(3)] == [True, True, False]


async def test_an_encrypted_one_is_kept_since_its_keys_are_here(make: Make) -> None:
    first, _ = make(1, 2)
    assert all(first.accepts(is_encrypted=True) for _ in range(3))


async def test_a_worker_that_was_killed_gets_none_until_another_is_in_its_place(
    make: Make,
) -> None:
    first, second = make(1, 2)
    # Its place still says that it is there.
    second.spreading.close()
    second.spreading._counts[2] = 1
    assert all(first.accepts() for _ in range(3))
    [another] = make(2)
    assert not first.accepts()
    await until_async(lambda: bool(another.server.adopted), "the connection")


async def test_a_worker_that_starts_gets_none_until_it_can_answer(make: Make) -> None:
    first, second = make(1, 2)
    # Killed: its place still says that it is there.
    second.spreading.close()
    second.spreading._counts[2] = 1
    another = Worker(Place(first.spreading._folder, 2), workers=2)
    try:
        assert all(first.accepts() for _ in range(3))
        another.joins()
        assert not first.accepts()
        await until_async(lambda: bool(another.server.adopted), "the connection")
    finally:
        another.close()


async def test_a_worker_that_ends_gets_none_and_keeps_what_it_accepts(make: Make) -> None:
    first, second = make(1, 2)
    second.spreading.leave()
    second.spreading.count()
    assert all(first.accepts() for _ in range(3))
    second.has(9)
    assert second.accepts()


async def test_of_a_worker_that_takes_none_for_now_the_rest_is_kept(make: Make) -> None:
    first, second = make(1, 2)
    first.has(10_000)
    passed_on = 0
    while not first.accepts():
        passed_on += 1
        assert passed_on <= 20
    await until_async(lambda: len(second.server.adopted) == passed_on, "those in the queue")


async def test_one_that_hangs_keeps_nothing_from_the_others(make: Make) -> None:
    first, second, third = make(1, 2, 3, workers=3)
    asyncio.get_running_loop().remove_reader(second.spreading._socket)
    first.has(10_000)
    third.has(100)
    # Some five wait for the second; as many go to the third.
    assert not any(first.accepts() for _ in range(7))
    await until_async(lambda: bool(third.server.adopted), "what the second has no place for")
    assert not second.server.adopted


async def test_a_full_worker_passes_on_and_gets_none(make: Make) -> None:
    first, second = make(1, 2, room=10)
    first.has(10)
    second.has(9)
    assert not first.accepts()
    await until_async(lambda: second.server.connections == 10, "the last place")
    second.spreading.count()
    assert first.accepts()
    assert second.accepts()


async def test_one_that_leaves_gets_no_more_than_what_was_under_way(make: Make) -> None:
    first, second = make(1, 2)
    first.has(9)
    second.spreading.leave()
    # By one that had looked before, and writes now.
    second.spreading._counts[2] = 2
    assert not first.accepts()
    await until_async(lambda: bool(second.server.adopted), "what was under way")
    assert first.accepts()


async def test_a_count_that_others_got_wrong_is_right_again_in_a_second(make: Make) -> None:
    first, second = make(1, 2)
    first.has(1)
    second.spreading._counts[2] = 0
    await until_async(lambda: not first.accepts(), "the second")


async def test_without_others_that_take_any_a_worker_keeps_its_own(make: Make) -> None:
    first, second = make(1, 2)
    # By one that could not reach it, and has left.
    second.spreading._counts[2] = 0
    first.spreading.leave()
    assert second.accepts()


async def crowded(make: Make, clients: int = 10) -> list[Worker]:
    """Two workers, of which the first has all of the clients, and knows it."""
    first, second = make(1, 2)
    first.serves(clients)
    await until_async(lambda: first.spreading.has_surplus, "its next count")
    return [first, second]


async def test_clients_that_stay_are_shared_evenly(make: Make) -> None:
    first, second = make(1, 2)
    second.serves(6)
    first.serves(10)
    await until_async(lambda: first.spreading._balance.surplus == 2, "the next count of both")
    assert [first.moves() for _ in range(3)] == [True, True, False]
    assert not second.moves()
    await until_async(lambda: len(second.server.adopted) == 2, "what was passed on")
    # What another has passed on is of a class of its own.
    assert second.server.kinds == {Client}


async def test_a_client_stays_where_nobody_takes_it(make: Make) -> None:
    first, second = await crowded(make)
    second.spreading.leave()
    assert not first.moves()
    assert not first.spreading.has_surplus


async def test_an_encrypted_client_stays_and_nothing_is_tried_with_each_answer(
    make: Make,
) -> None:
    first, second = await crowded(make)
    assert not first.moves(is_encrypted=True)
    assert not first.spreading.has_surplus
    assert not second.server.adopted


async def test_nothing_is_tried_with_each_answer_where_one_takes_none_for_now(make: Make) -> None:
    first, second = await crowded(make, clients=100)
    asyncio.get_running_loop().remove_reader(second.spreading._socket)
    moved = 0
    while first.moves():
        moved += 1
    assert 0 < moved <= 20
    assert not first.spreading.has_surplus


async def test_a_worker_that_ends_keeps_its_clients(make: Make) -> None:
    first, _ = await crowded(make)
    first.spreading.leave()
    assert not first.moves()


async def test_where_there_can_be_no_unix_socket_all_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    worker = Worker(Place(folder, 1), workers=2).joins()
    other = Worker(Place(folder, 2), workers=2).joins()
    try:
        assert all(worker.accepts() for _ in range(3))
    finally:
        worker.close()
        other.close()


async def test_there_is_none_outside_of_a_server() -> None:
    assert Spreading.of_this_worker(2) is None
