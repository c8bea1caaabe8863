"""Who is let in: a bounded number of requests at once, each with a deadline."""

import contextlib
from collections.abc import Callable, Iterator

from errors import OverloadedError
from serving.metrics import IN_FLIGHT
from settings import Settings


class Admission:
    """Counts the requests that this worker answers at once."""

    def __init__(self, settings: Settings) -> None:
        self.deadline_seconds = settings.deadline_ms / 1000
        self.capacity = settings.queue_size
        self.held = 0
        self._max_held_bytes = settings.max_held_bytes
        self._held_bytes = 0

    @contextlib.contextmanager
    def bodies(self) -> Iterator[Callable[[int], None]]:
        """Gives what to call with the size of each piece of a large body, which is held until the
        block ends.

        Small bodies are not counted, so that clients who send large ones slowly cannot keep out
        the others. Raises OverloadedError at the piece for which there is no room.
        """
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            held += size
            self._held_bytes += size
            if self._held_bytes > self._max_held_bytes:
                raise OverloadedError(
                    "The server holds as many large bodies as it may; try again.", "capacity"
                )

        try:
            yield hold
        finally:
            self._held_bytes -= held

    def places(self, count: int) -> "_Places":
        """Holds that many places for as long as its block runs.

        Entering it raises OverloadedError if there are not as many free.
        """
        return _Places(self, count)


class _Places:
    """A class, because a generator would cost each request another 1 µs."""

    __slots__ = ("_admission", "_count")

    def __init__(self, admission: Admission, count: int) -> None:
        self._admission = admission
        self._count = count

    def __enter__(self) -> None:
        admission = self._admission
        if admission.held + self._count > admission.capacity:
            raise OverloadedError(
                f"The server answers {admission.capacity} requests at once and no more; try again.",
                "capacity",
            )
        admission.held += self._count
        IN_FLIGHT.inc(self._count)

    def __exit__(self, *_: object) -> None:
        self._admission.held -= self._count
        IN_FLIGHT.dec(self._count)
