"""What is used of circus without being documented, and what is changed in it."""

import contextlib
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import circus.watcher
import pytest
from bentoml._internal.utils.circus import Arbiter as BentoArbiter
from circus.arbiter import Arbiter

import internals_supervisor
from internals_supervisor import WorkerEnd
from tests.waiting import until


def test_circus_still_has_what_is_changed() -> None:
    assert callable(Arbiter.manage_watchers)
    assert callable(Arbiter.stop)
    used = {"_exclusive_running_command", "_stopping", "check_delay"}
    assert used <= set(Arbiter.__init__.__code__.co_names)


def test_circus_tells_of_each_start_and_each_end() -> None:
    source = inspect.getsource(circus.watcher)
    assert 'self.notify_event("spawn", {"process_pid": process.pid' in source
    assert source.count('self.notify_event("reap", msg)') == 2
    assert source.count('msg = {"process_pid": pid,') == 2


def test_bentoml_forgets_its_folder_by_this() -> None:
    assert "exit_stack" in BentoArbiter.__init__.__code__.co_names
    assert callable(BentoArbiter.start)


class Told:
    """Who is told, and notes it."""

    def __init__(self) -> None:
        self.began: list[tuple[int, int]] = []
        self.ends: list[WorkerEnd] = []
        self.others: list[str] = []

    def worker_began(self, process: int, number: int) -> None:
        self.began.append((process, number))

    def worker_ended(self, end: WorkerEnd) -> None:
        self.ends.append(end)

    def failed(self, error: Exception) -> None:
        self.others.append(str(error))

    def ended(self) -> None:
        self.others.append("ended")


class Watcher:
    """As circus's: it knows its processes, and publishes what becomes of them."""

    def __init__(self, metrics: Path = Path("metrics")) -> None:
        self.processes: dict[int, Any] = {}
        self.env = {"PROMETHEUS_MULTIPROC_DIR": str(metrics)}
        self.stopping = False

    def is_active(self) -> bool:
        return not self.stopping

    def notify_event(self, topic: str, message: dict[str, Any]) -> None:
        """Nobody listens."""


class Server:
    """As BentoML's."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.exit_stack = contextlib.ExitStack()

    def start(self, cb: object = None) -> None:  # noqa: ARG002 - BentoML's signature
        if self.error is not None:
            raise self.error


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

    internals_supervisor.supervise(Told(), Own, Watcher, Server)
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


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="it cannot be told here")
def test_circus_checks_only_after_a_start_or_an_end_and_now_and_then() -> None:
    _, supervisor, watcher = watched()
    checks = []

    def look(times: int) -> None:
        before = len(supervisor.done)
        for _ in range(times):
            supervisor.manage_watchers()
        checks.append(len(supervisor.done) - before)

    look(20)
    look(20)
    watcher.processes[7] = SimpleNamespace(wid=1)
    watcher.notify_event("spawn", {"process_pid": 7})
    look(2)
    watcher.notify_event("reap", {"process_pid": 7, "exit_code": 1})
    look(2)
    look(2)
    assert checks == [1, 1, 1, 1, 0]


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


def watched() -> tuple[Told, Supervisor, Watcher]:
    class OwnSupervisor(Supervisor):
        pass

    class OwnWatcher(Watcher):
        pass

    class OwnServer(Server):
        pass

    told = Told()
    internals_supervisor.supervise(told, OwnSupervisor, OwnWatcher, OwnServer)
    return told, OwnSupervisor(), OwnWatcher()


def test_a_start_and_an_end_are_told_once() -> None:
    told, _, watcher = watched()
    watcher.processes[7] = SimpleNamespace(wid=1)
    watcher.notify_event("spawn", {"process_pid": 7})
    watcher.notify_event("reap", {"process_pid": 7, "exit_code": -9})
    watcher.notify_event("reap", {"process_pid": 7, "exit_code": -9})
    assert told.began == [(7, 1)]
    assert told.ends == [WorkerEnd(7, -9, False, Path("metrics"))]


def test_an_end_while_the_server_stops_is_no_death() -> None:
    told, _, watcher = watched()
    watcher.processes[7] = SimpleNamespace(wid=1)
    watcher.notify_event("spawn", {"process_pid": 7})
    watcher.stopping = True
    watcher.notify_event("reap", {"process_pid": 7, "exit_code": 0})
    assert told.ends[0].is_stop


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="it cannot be told here")
@pytest.mark.parametrize("code", [3, -signal.SIGKILL])
def test_a_dead_worker_is_found_before_circus_forgets_it(code: int) -> None:
    told, supervisor, watcher = watched()
    program = f"import os; os._exit({code})" if code > 0 else "import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-S", "-c", program])
    watcher.processes[process.pid] = SimpleNamespace(wid=1)
    watcher.notify_event("spawn", {"process_pid": process.pid})
    if code < 0:
        process.kill()

    def found() -> bool:
        supervisor.manage_watchers()
        return bool(told.ends)

    until(found, "the end of the worker")
    assert told.ends[0].code == code
    # Nobody has collected it in circus's place.
    assert process.wait() == code


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="it cannot be told here")
def test_a_death_is_told_before_its_replacement() -> None:
    """Even if circus has replaced the worker since the last look."""
    told, _, watcher = watched()
    process = subprocess.Popen(["true"])
    watcher.processes = {process.pid: SimpleNamespace(wid=1), os.getpid(): SimpleNamespace(wid=1)}
    watcher.notify_event("spawn", {"process_pid": process.pid})
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    watcher.notify_event("spawn", {"process_pid": os.getpid()})
    assert [end.process for end in told.ends] == [process.pid]
    process.wait()


def test_why_the_server_cannot_go_on_is_told() -> None:
    told = Told()

    class OwnServer(Server):
        pass

    class OwnSupervisor(Supervisor):
        pass

    internals_supervisor.supervise(told, OwnSupervisor, Watcher, OwnServer)
    with pytest.raises(RuntimeError):
        OwnServer(RuntimeError("no worker")).start()
    OwnServer().start()
    assert told.others == ["no worker", "ended"]
