"""How whoever watches the loop's process, such as Docker, finds out that it hangs."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from errors import PipelineError
from pipeline.event import Task

LOOK_SECONDS: Final = 900.0
"""That a look may take; longer than any database or monitored window needs."""

_SPARE_SECONDS: Final = 60.0


class Alive:
    """A file with the second, since 1970, until which no sign of life is due.

    Of several tasks in one process it is the one that is due first. ``look_seconds``: that a look
    of a task may take. Raises PipelineError if the file cannot be written.
    """

    def __init__(
        self,
        path: Path | None,
        look_seconds: Callable[[Task], float],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._path, self._look_seconds, self._now = path, look_seconds, now
        self._until: dict[Task, float] = {}
        self._lock = threading.Lock()

    def looks(self, task: Task) -> None:
        """Before a look, and whenever it has brought something about."""
        self._expect(task, self._look_seconds(task))

    def waits(self, task: Task, seconds: float) -> None:
        """Before the wait for the next look."""
        self._expect(task, seconds)

    def _expect(self, task: Task, seconds: float) -> None:
        if self._path is None:
            return
        with self._lock:
            self._until[task] = self._now() + seconds + _SPARE_SECONDS
            part = self._path.with_name(f".{self._path.name}.part")
            try:
                part.write_text(f"{min(self._until.values()):.0f}\n")
                part.replace(self._path)
            except OSError as error:
                raise PipelineError(f"{self._path} cannot be written: {error.strerror}.") from None
