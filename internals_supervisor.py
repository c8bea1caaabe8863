"""What is used of circus 0.19, BentoML's process supervisor, without being documented.

A part of ``internals.py``; ``tests/test_internals_supervisor.py`` checks each by name.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, NamedTuple, Protocol

# circus looks for dead workers every 10 seconds as BentoML configures it.
_CHECK_SECONDS = 0.25

# Each of circus's checks takes 2 ms, whatever it finds, and 0.02 if Python only asks who has died.
_LOOKS = 20


class WorkerEnd(NamedTuple):
    """A worker that has ended: its process, its exit code or, negative, the signal that ended it
    (None if nobody knows), whether it was told to end, and where it kept its metrics."""

    process: int
    code: int | None
    is_stop: bool
    metrics: Path


class Observer(Protocol):
    """Who is told; it raises nothing, but may end the process."""

    def worker_began(self, process: int, number: int) -> None: ...

    def worker_ended(self, end: WorkerEnd) -> None: ...

    def failed(self, error: Exception) -> None:
        """The server cannot go on; whatever this returns, ``error`` ends the process."""

    def ended(self) -> None:
        """All workers have ended, and so will the server."""


def supervise(
    observer: Observer, supervisor: Any = None, watcher: Any = None, server: Any = None
) -> None:
    """Change how circus supervises the workers; called before BentoML creates its
    ``supervisor`` with a ``watcher`` of the workers, instances of these classes. ``server``:
    BentoML's own subclass of the supervisor.

    BentoML passes no options on, so the class itself is changed. A dead worker is replaced within a
    quarter of a second; while none has died, circus itself checks every 5 seconds. On a stop, the
    supervisor first closes the socket that it shares with the workers: a client would otherwise
    wait in its queue after all workers have closed theirs. And commands run one after the other:
    circus rejects a command while another runs, which logs a traceback for a check and silently
    loses a SIGTERM.
    """
    if supervisor is None or watcher is None or server is None:
        from bentoml._internal.utils.circus import Arbiter as BentoArbiter
        from circus.arbiter import Arbiter
        from circus.watcher import Watcher

        supervisor, watcher = supervisor or Arbiter, watcher or Watcher
        server = server or BentoArbiter
    workers = _observe(watcher, observer)
    check, stop = supervisor.manage_watchers, supervisor.stop

    def check_if_idle(self: Any) -> Any:
        if self._exclusive_running_command:
            return None
        return check(self) if workers.need_a_check() else None

    def stop_when_idle(self: Any) -> Any:
        if self._stopping:
            return None
        if self._exclusive_running_command:
            self.loop.call_later(_CHECK_SECONDS, stop_when_idle, self)
            return None
        self.sockets.close_all()
        return stop(self)

    supervisor.manage_watchers = check_if_idle
    supervisor.stop = stop_when_idle
    supervisor.check_delay = property(lambda _: _CHECK_SECONDS, lambda _, __: None)
    run = server.start

    def start(self: Any, cb: Any = None) -> Any:
        try:
            result = run(self, cb)
        except Exception as error:
            # BentoML forgets its temporary folder then.
            self.exit_stack.close()
            observer.failed(error)
            raise
        observer.ended()
        return result

    server.start = start


class _Workers:
    """Those that run, so that each end is told once, with its cause.

    circus forgets a worker that dies between two steps of its check, and how it ended. While it is
    held here, Python does not ask for that either, and it is still there to be found.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._held: dict[int, tuple[Any, Any]] = {}
        self._looks = 0

    def began(self, watcher: Any, process: int) -> None:
        # Whom it replaces may have died since the last look.
        self.look()
        self._looks = 0
        self._held[process] = watcher, watcher.processes[process]
        self._observer.worker_began(process, watcher.processes[process].wid)

    def need_a_check(self) -> bool:
        """Whether circus has something to do: a worker has begun or ended, or it is time."""
        self.look()
        self._looks -= 1
        if self._looks > 0 and hasattr(os, "waitid"):
            return False
        self._looks = _LOOKS
        return True

    def ended(self, process: int, code: int | None) -> None:
        # Now, or as soon as circus is not busy.
        self._looks = 0
        watcher, _ = self._held.pop(process, (None, None))
        if watcher is not None:
            metrics = Path(watcher.env["PROMETHEUS_MULTIPROC_DIR"])
            is_stop = not watcher.is_active()
            self._observer.worker_ended(WorkerEnd(process, code, is_stop, metrics))

    def look(self) -> None:
        """Find those that are dead, and leave them for circus to collect."""
        if not hasattr(os, "waitid"):
            return
        for process in list(self._held):
            found = None
            with contextlib.suppress(ChildProcessError):
                found = os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None:
                    continue
            if found is None:
                self.ended(process, None)
            else:
                exited = found.si_code == os.CLD_EXITED
                self.ended(process, found.si_status if exited else -found.si_status)


def _observe(watcher: Any, observer: Observer) -> _Workers:
    workers = _Workers(observer)
    publish = watcher.notify_event

    def tell(self: Any, topic: str, message: dict[str, Any]) -> Any:
        if topic == "spawn":
            workers.began(self, message["process_pid"])
        elif topic == "reap":
            workers.ended(message["process_pid"], message["exit_code"])
        return publish(self, topic, message)

    watcher.notify_event = tell
    return workers
