"""What is changed about the supervisor, on one that notes what it does."""

from collections.abc import Callable
from typing import Any

from circus.arbiter import Arbiter

from serving.supervisor import supervise


class Supervisor:
    """As circus's: with one command at a time, a loop and sockets, which it is itself."""

    def __init__(self, check_delay: float = 10) -> None:
        self.check_delay = check_delay
        self.done: list[str] = []
        self.later: list[Callable[[], None]] = []
        self._exclusive_running_command: str | None = None
        self._stopping = False
        self.loop = self.sockets = self

    def manage_watchers(self) -> None:
        self.done.append("look")

    def stop(self) -> None:
        self._stopping = True
        self.done.append("stop")

    def close_all(self) -> None:
        self.done.append("close")

    def call_later(self, _seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        self.later.append(lambda: call(*arguments))

    def be_busy(self, with_what: str | None) -> None:
        self._exclusive_running_command = with_what


def supervised() -> Supervisor:
    class Own(Supervisor):
        pass

    supervise(Own)
    return Own(check_delay=10)


def test_it_looks_more_often_than_it_is_told() -> None:
    assert supervised().check_delay < 1


def test_it_closes_its_sockets_before_it_stops_the_workers() -> None:
    supervisor = supervised()
    supervisor.stop()
    assert supervisor.done == ["close", "stop"]


def test_it_does_not_look_while_it_is_busy() -> None:
    supervisor = supervised()
    supervisor.be_busy("arbiter_start_watchers")
    supervisor.manage_watchers()
    assert supervisor.done == []
    supervisor.be_busy(None)
    supervisor.manage_watchers()
    assert supervisor.done == ["look"]


def test_told_to_stop_while_it_is_busy_it_stops_after() -> None:
    supervisor = supervised()
    supervisor.be_busy("manage_watchers")
    supervisor.stop()
    (again,) = supervisor.later
    again()
    assert supervisor.done == []
    supervisor.be_busy(None)
    supervisor.later[1]()
    assert supervisor.done == ["close", "stop"]


def test_told_to_stop_again_it_goes_on_stopping() -> None:
    supervisor = supervised()
    supervisor.stop()
    supervisor.stop()
    assert supervisor.done == ["close", "stop"]


def test_circus_still_has_what_is_changed() -> None:
    assert callable(Arbiter.manage_watchers)
    assert callable(Arbiter.stop)
    used = {"_exclusive_running_command", "_stopping", "check_delay"}
    assert used <= set(Arbiter.__init__.__code__.co_names)
