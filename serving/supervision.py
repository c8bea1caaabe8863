"""What the supervisor of the workers tells of them: who has died, of what, and who replaces it."""

import logging
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final, Literal, NoReturn

from internals_supervisor import WorkerEnd
from logs.lines import fields
from serving.deaths import settle
from serving.inference.memory import killed_for_memory

logger = logging.getLogger("pupila.supervisor")

Reason = Literal["oom", "signal", "exit", "unknown"]

_NO_WORKER: Final = "No active process"


class Supervision:
    """Logs a line for each worker that dies or replaces another. ``root``: of the file system."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._kills = killed_for_memory(root)
        self._began: dict[int, tuple[int, float]] = {}
        self._dead: deque[int] = deque()
        self._since = time.monotonic()

    def worker_began(self, process: int, number: int) -> None:
        self._began[process] = number, time.monotonic()
        if self._dead:
            about = fields(worker=number, process=process, replaces=self._dead.popleft())
            logger.warning("a dead worker is replaced", extra=about)
        else:
            logger.debug("a worker was started", extra=fields(worker=number, process=process))

    def worker_ended(self, end: WorkerEnd) -> None:
        number, began = self._began.pop(end.process, (None, None))
        lived = None if began is None else round(time.monotonic() - began, 3)
        about = {"worker": number, "process": end.process, "seconds": lived}
        reason = self.reason(end.code)
        lost = settle(end, (signal_name(end.code) or reason) if reason == "signal" else reason)
        if lost:
            said = "records were lost: a worker ended before they were written"
            logger.error(said, extra=fields(records=lost, **about))
        if end.is_stop:
            logger.debug("a worker has ended", extra=fields(**about, code=end.code))
            return
        self._dead.append(end.process)
        logger.error(
            _DEATHS[reason],
            extra=fields(
                **about,
                reason=reason,
                signal=signal_name(end.code),
                code=end.code if end.code is not None and end.code >= 0 else None,
            ),
        )

    def reason(self, code: int | None) -> Reason:
        """Why a worker has just ended by itself, from its exit code; negative: by that signal."""
        if code is None:
            return "unknown"
        if code >= 0:
            return "exit"
        kills = killed_for_memory(self._root)
        before, self._kills = self._kills, kills
        # One that is killed from outside at the same moment is taken for the one that was not.
        return "oom" if code == -signal.SIGKILL and kills > before else "signal"

    def failed(self, error: Exception) -> None:
        if isinstance(error, RuntimeError) and str(error).startswith(_NO_WORKER):
            give_up(
                "No worker can be started: look at the lines before this one, and at the limits of "
                "memory and processes."
            )

    def ended(self) -> None:
        lived = round(time.monotonic() - self._since, 3)
        logger.info("the server has ended", extra=fields(seconds=lived))


_DEATHS: Final[dict[Reason, str]] = {
    "oom": "a worker died: the kernel killed it, since the container's memory was used up",
    "signal": "a worker died: a signal ended it",
    "exit": "a worker died: it ended by itself",
    "unknown": "a worker died: nobody knows of what",
}


def signal_name(code: int | None) -> str | None:
    """``SIGKILL`` for the exit code -9; None for what is no signal."""
    if code is None or code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def give_up(sentence: str) -> NoReturn:
    """End this process with 1, and say why in one line."""
    logger.critical("%s", sentence)
    sys.exit(1)
