"""Which connections are closed, on a clock that the tests turn."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from serving.http.guard import Guard, Limits, State

LIMITS = Limits(head_seconds=10, body_seconds=11, idle_seconds=75, connections=16)


class Clock:
    """The part of an event loop that a guard uses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[[], Any]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], Any]) -> object:
        self.due.append((self.now + seconds, call))
        return object()

    def go_on(self, seconds: float) -> None:
        end = self.now + seconds
        while self.due and self.due[0][0] <= end:
            self.now, call = self.due.pop(0)
            call()
        self.now = end


class Connection:
    def __init__(self) -> None:
        self.seen: list[str] = []
        self.state = State.IDLE
        self.since = 0.0

    def enter(self, state: State, guarded: Guard) -> None:
        self.state, self.since = state, guarded.now

    def time_out(self) -> None:
        self.seen.append("timed out")

    def close_idle(self) -> None:
        self.seen.append("closed")


def guard(clock: Clock) -> Guard:
    return Guard(LIMITS, cast("asyncio.AbstractEventLoop", clock))


def test_a_head_and_a_body_have_their_time() -> None:
    clock = Clock()
    guarded, head, body = guard(clock), Connection(), Connection()
    for connection in (head, body):
        assert guarded.admit(connection)
    head.enter(State.HEAD, guarded)
    body.enter(State.HEAD, guarded)
    body.enter(State.BODY, guarded)
    clock.go_on(10.6)
    assert (head.seen, body.seen) == (["timed out"], [])
    clock.go_on(1)
    assert body.seen == ["timed out"]


def test_a_busy_connection_has_all_the_time_it_needs() -> None:
    clock = Clock()
    guarded, connection = guard(clock), Connection()
    guarded.admit(connection)
    connection.enter(State.HEAD, guarded)
    connection.enter(State.BUSY, guarded)
    clock.go_on(1000)
    assert connection.seen == []


def test_an_idle_connection_is_closed_after_a_while() -> None:
    clock = Clock()
    guarded, connection = guard(clock), Connection()
    guarded.admit(connection)
    clock.go_on(74)
    assert connection.seen == []
    clock.go_on(2)
    assert connection.seen == ["closed"]


def test_the_oldest_idle_connection_makes_room() -> None:
    clock = Clock()
    guarded = guard(clock)
    connections = [Connection() for _ in range(16)]
    for connection in connections:
        assert guarded.admit(connection)
    assert [connection.seen for connection in connections] == [["closed"], *[[]] * 15]


def test_nobody_is_let_in_where_all_are_busy() -> None:
    clock = Clock()
    guarded = guard(clock)
    for _ in range(16):
        connection = Connection()
        assert guarded.admit(connection)
        connection.enter(State.BUSY, guarded)
    assert not guarded.admit(Connection())


def test_a_guard_without_connections_asks_for_no_more_checks() -> None:
    clock = Clock()
    guarded, connection = guard(clock), Connection()
    guarded.admit(connection)
    guarded.forget(connection)
    clock.go_on(10)
    assert clock.due == []
    guarded.admit(connection)
    assert len(clock.due) == 1


def test_that_connections_run_out_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    guarded = guard(clock)
    for _ in range(15):
        guarded.admit(Connection())
    assert caplog.records == []
    for expected in (1, 1, 2):
        if expected == 2:
            clock.go_on(60)
            for _ in range(15):
                guarded.admit(Connection())
        guarded.admit(Connection())
        assert len(caplog.records) == expected
    assert caplog.records[0].levelname == "WARNING"
    assert "PUPILA_MAX_CONNECTIONS" in caplog.text
    assert vars(caplog.records[0])["fields"] == {"open": 15, "allowed": 16}
