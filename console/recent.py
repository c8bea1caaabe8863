"""What was read from the database some seconds ago is still good enough for the next visitor.

Ten people who look at the same pages then cost the server little more than one. Whatever a visitor
changes is seen at once: any form that is taken forgets all of it, in its own worker.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

T = TypeVar("T")

SECONDS: Final = 5.0
_MOST: Final = 256


class Recent:
    """Results by what they are of."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, key: Hashable, make: Callable[[], T], seconds: float = SECONDS) -> T:
        """What ``make`` returned for the ``key`` within the last seconds, or returns now."""
        now = time.monotonic()
        with self._lock:
            made, found = self._known.get(key, (0.0, None))
        if now - made < seconds and made:
            result: T = found
            return result
        fresh = make()
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = (now, fresh)
        return fresh

    def clear(self) -> None:
        with self._lock:
            self._known.clear()


RECENT: Final = Recent()
