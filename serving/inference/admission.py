"""Which requests are admitted: a bounded number at a time, each with a deadline."""

import contextlib
from collections.abc import Callable, Iterator

from errors import OverloadedError
from internals_metrics import adding
from serving.inference.memory import held_bytes
from serving.metrics import IN_FLIGHT
from settings import Settings


class Admission:
    """Counts the requests in flight in this worker."""

    def __init__(self, settings: Settings) -> None:
        self.deadline_seconds = settings.deadline_ms / 1000
        self.capacity = settings.queue_size
        self.held = 0
        self.count = adding(IN_FLIGHT)
        self._max_held_bytes = held_bytes(settings)
        self._held_bytes = 0

    @contextlib.contextmanager
    def bodies(self) -> Iterator[Callable[[int], None]]:
        """Yields a function to call with the size of each piece of a large body, which counts as
        held until the block ends.

        Small bodies are not counted, so that clients that send large ones slowly cannot block the
        others. The function raises OverloadedError for a piece that exceeds the limit.
        """
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            held += size
            self._held_bytes += size
            if self._held_bytes > self._max_held_bytes:
                raise OverloadedError(
                    "The server has no memory left for large bodies; try again.", "capacity"
                )

        try:
            yield hold
        finally:
            self._held_bytes -= held

    def slots(self, count: int) -> "_Slots":
        """Holds that many slots while its block runs.

        Entering it raises OverloadedError if fewer are free.
        """
        return _Slots(self, count)


class _Slots:
    """A class, because a generator would cost each request another 1 µs."""

    __slots__ = ("_admission", "_count")

    def __init__(self, admission: Admission, count: int) -> None:
        self._admission = admission
        self._count = count

    def __enter__(self) -> None:
        admission = self._admission
        if admission.held + self._count > admission.capacity:
            raise OverloadedError(
                f"The server is at its limit of {admission.capacity} requests at once; try again.",
                "capacity",
            )
        admission.held += self._count
        admission.count(self._count)

    def __exit__(self, *_: object) -> None:
        admission = self._admission
        admission.held -= self._count
        admission.count(-self._count)
