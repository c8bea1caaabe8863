"""Who is let in: a bounded number of requests at once, each with a deadline."""

import contextlib
from collections.abc import Callable, Iterator
from types import TracebackType

from errors import OverloadedError
from serving.metrics import IN_FLIGHT
from settings import Settings


class Admission:
    """Counts the requests of this worker: ``with admission: ...`` holds a place for one."""

    def __init__(self, settings: Settings) -> None:
        self.deadline_seconds = settings.deadline_ms / 1000
        self._places = settings.queue_size
        self._held = 0
        self._max_receiving = settings.max_receiving_bytes
        self._receiving = 0

    @contextlib.contextmanager
    def receiving(self) -> Iterator[Callable[[int], None]]:
        """Gives what to call with the size of each piece of a body that comes in several.

        A body in one piece takes no room for long and is not counted, so that clients who send
        large bodies slowly cannot keep out the others. Raises OverloadedError at the piece for
        which there is no room.
        """
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            held += size
            self._receiving += size
            if self._receiving > self._max_receiving:
                raise OverloadedError(
                    "The server is receiving as many large bodies as it may; try again.",
                    "capacity",
                )

        try:
            yield hold
        finally:
            self._receiving -= held

    def __enter__(self) -> None:
        """Raises OverloadedError if all places are held."""
        if self._held >= self._places:
            raise OverloadedError(
                f"The server holds {self._places} requests, as many as it may; try again.",
                "capacity",
            )
        self._held += 1
        IN_FLIGHT.inc()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held -= 1
        IN_FLIGHT.dec()
