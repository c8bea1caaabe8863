"""The thread that sends traces to a collector; no request ever waits for it."""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from serving.metrics import SPANS_DROPPED, SPANS_EXPORTED
from serving.tracing.collector import Sent
from serving.tracing.trace import Trace

logger = logging.getLogger("pupila.tracing")

# Spans that wait: some 4 MB.
MOST_WAITING: Final = 8192

# In one request: making and encoding them takes 5 ms of the GIL, in turns with the event loop.
_MOST_SENT: Final = 512

# How long a trace waits for others, and a collector may take for an answer.
_INTERVAL_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 10.0

# A collector that is away is tried again after 0.5, 1, 2 and 4 seconds, or as long as it says.
_TRIES: Final = 5
_LONGEST_PAUSE_SECONDS: Final = 30.0

# A fault that changes with every try is still one line in so long.
_TELL_SECONDS: Final = 60.0


class Sender(Protocol):
    """In practice a ``Collector``."""

    def send(self, content: bytes, seconds: float) -> Sent: ...


class Exporter:
    """Holds so many spans, and drops new ones, counted, while there are more.

    ``encoded`` makes a request of traces, ``rejected`` finds in the answer to it how many spans the
    collector did not take.
    """

    def __init__(
        self,
        sender: Sender,
        encoded: Callable[[Iterable[Trace]], bytes],
        rejected: Callable[[bytes], int],
        pause: float = _INTERVAL_SECONDS,
    ) -> None:
        """``pause``: seconds before the second try, and between two looks at what has come."""
        self._sender = sender
        self._encoded = encoded
        self._rejected = rejected
        self._pause = pause
        self._queue: deque[Trace] = deque()
        self._waiting = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._stop_at = float("inf")
        self._is_away = False
        self._told_at = -_TELL_SECONDS
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, trace: Trace) -> None:
        """Have it sent, if there is room; takes 1 µs, and never waits."""
        size = trace.size
        if self._waiting + size > MOST_WAITING:
            SPANS_DROPPED.labels("full").inc(size)
            return
        with self._lock:
            self._waiting += size
            self._queue.append(trace)
        if self._waiting >= _MOST_SENT and not self._wake.is_set():
            self._wake.set()

    def stop(self, seconds: float) -> None:
        """Send the rest within that time; what is not sent by then is dropped."""
        self._stop_at = time.monotonic() + seconds
        self._stopping.set()
        self._wake.set()
        self._thread.join(seconds)
        with self._lock:
            # It may be within a request still, whose spans are counted as what becomes of it.
            self._queue.clear()
            left, self._waiting = self._waiting, 0
        if left:
            SPANS_DROPPED.labels("stopped").inc(left)

    def _run(self) -> None:
        while True:
            self._wake.wait(self._pause)
            self._wake.clear()
            last = self._stopping.is_set()
            while traces := self._take():
                self._export(traces)
            if last:
                return

    def _take(self) -> list[Trace]:
        traces: list[Trace] = []
        size = 0
        with self._lock:
            while self._queue and (not traces or size + self._queue[0].size <= _MOST_SENT):
                traces.append(self._queue.popleft())
                size += traces[-1].size
            self._waiting -= size
        return traces

    def _export(self, traces: list[Trace]) -> None:
        size = sum(trace.size for trace in traces)
        try:
            sent = self._sent(self._encoded(traces))
        except Exception:
            # An error of ours, which must not be the end of all traces.
            logger.exception("traces were dropped: an error of ours")
            SPANS_DROPPED.labels("failed").inc(size)
            return
        if sent.fault:
            reason = "stopped" if self._stopping.is_set() else "failed" if sent.again else "refused"
            SPANS_DROPPED.labels(reason).inc(size)
            return
        refused = min(size, self._rejected(sent.answer))
        if refused:
            SPANS_DROPPED.labels("refused").inc(refused)
            self._tell(f"the collector refused {refused} of {size} spans of a request")
        SPANS_EXPORTED.inc(size - refused)

    def _sent(self, content: bytes) -> Sent:
        """What became of it in the end, after some tries."""
        pause = self._pause
        for left in reversed(range(_TRIES)):
            seconds = min(_ANSWER_SECONDS, self._stop_at - time.monotonic())
            if seconds <= 0:
                return Sent("the server has ended", again=True)
            sent = self._sender.send(content, seconds)
            if not sent.fault:
                if self._is_away:
                    self._is_away = False
                    logger.warning("traces are exported again")
                return sent
            self._is_away = True
            self._tell(f"traces are not exported for now: {sent.fault}")
            if not sent.again or not left or self._stopping.is_set():
                break
            # Each worker at another time.
            wait = max(sent.wait, pause * random.uniform(0.75, 1.25))  # noqa: S311
            self._stopping.wait(min(wait, _LONGEST_PAUSE_SECONDS))
            pause *= 2
        return sent

    def _tell(self, fault: str) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            logger.warning("%s", fault)
