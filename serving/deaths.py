"""What becomes of a worker's metrics when it has ended; the supervisor's part.

Its counts stay. What it had in flight is forgotten, and what it had yet to write counts as dropped:
so the sums of ``/metrics`` are right at any time, whatever ended it.
"""

import contextlib

from internals_metrics import count_of_supervisor, forget, gauge_of
from internals_supervisor import WorkerEnd
from serving.metrics import RECORDS_DROPPED, RECORDS_WAITING, WORKER_RESTARTS


def settle(end: WorkerEnd, reason: str) -> int:
    """A worker has ended, for a ``reason`` that is one of a few; returns how many records it had
    yet to write. Raises nothing: others are to be replaced all the same."""
    lost = 0
    # A full or missing folder: nobody can count there, and nobody can ask.
    with contextlib.suppress(OSError):
        lost = int(gauge_of(end.metrics, end.process, RECORDS_WAITING))
        forget(end.metrics, end.process)
        count_of_supervisor(end.metrics, RECORDS_DROPPED, {"reason": "killed"}, lost)
        if not end.is_stop:
            count_of_supervisor(end.metrics, WORKER_RESTARTS, {"reason": reason}, 1)
    return lost
