"""Who is let in: a bounded number of requests at once, each with a deadline."""

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
