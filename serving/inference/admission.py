"""Which requests are admitted: a bounded number at a time, each with a deadline."""

from collections.abc import Callable

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

    def bodies(self) -> "_Bodies":
        """Gives its block a function to call with the size of each piece of a large body, which
        counts as held until the block ends.

        Small bodies are not counted, so that clients that send large ones slowly cannot block the
        others. The function raises OverloadedError for a piece that exceeds the limit.
        """
        return _Bodies(self)

    def slots(self, count: int) -> "_Slots":
        """Holds that many slots while its block runs.

        Entering it raises OverloadedError if fewer are free.
        """
        return _Slots(self, count)

    def hold(self, size: int) -> None:
        """Raises OverloadedError if that is too much; ``bodies`` lets go of it."""
        self._held_bytes += size
        if self._held_bytes > self._max_held_bytes:
            raise OverloadedError(
                "The server has no memory left for large bodies; try again.", "capacity"
            )

    def let_go(self, size: int) -> None:
        self._held_bytes -= size


# Classes, because a generator would cost each request another 1 µs.


class _Bodies:
    __slots__ = ("_admission", "_held")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._held = 0

    def __enter__(self) -> Callable[[int], None]:
        return self._hold

    def _hold(self, size: int) -> None:
        self._held += size
        self._admission.hold(size)

    def __exit__(self, *_: object) -> None:
        if self._held:
            self._admission.let_go(self._held)


class _Slots:
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
