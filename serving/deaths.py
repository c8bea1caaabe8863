"""What becomes of a worker's metrics when it has ended; the supervisor's part.

Its counts stay. What it had in flight is forgotten, and what it had yet to write counts as dropped:
so the sums of ``/metrics`` are right at any time, whatever ended it.
"""

import contextlib
import logging
import signal
from pathlib import Path

from internals_metrics import WorkerEnd, count_of_supervisor, forget, gauge_of
from serving.inference.memory import killed_for_memory
from serving.metrics import RECORDS_DROPPED, RECORDS_WAITING, WORKER_RESTARTS

logger = logging.getLogger("pupila.workers")


class Deaths:
    """``root``: of the file system, where the kernel says whom it ended for want of memory."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._killed_for_memory = killed_for_memory(root)

    def note(self, end: WorkerEnd) -> None:
        """A worker has ended. Raises nothing: others are to be replaced all the same."""
        reason = self._reason(end.code)
        # A full or missing folder: nobody can count there, and nobody can ask.
        with contextlib.suppress(OSError):
            lost = int(gauge_of(end.metrics, end.process, RECORDS_WAITING))
            forget(end.metrics, end.process)
            if lost:
                logger.warning(
                    "%d records of worker %d were lost: it ended before they were written (%s)",
                    lost,
                    end.process,
                    reason,
                )
            count_of_supervisor(end.metrics, RECORDS_DROPPED, {"reason": "killed"}, lost)
            if not end.is_stop:
                count_of_supervisor(end.metrics, WORKER_RESTARTS, {"reason": reason}, 1)

    def _reason(self, code: int | None) -> str:
        before, self._killed_for_memory = (
            self._killed_for_memory,
            killed_for_memory(self._root),
        )
        if code is None or code >= 0:
            return "exit"
        if code == -signal.SIGKILL and self._killed_for_memory > before:
            return "oom"
        try:
            return signal.Signals(-code).name
        except ValueError:
            # A real-time signal.
            return f"signal {-code}"
