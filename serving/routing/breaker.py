"""Stops asking a challenger that keeps failing, until somebody decides something."""

import logging
from collections import deque
from typing import Final

logger = logging.getLogger("pupila.routing")

_WINDOW: Final = 50
_FAILURES: Final = 10


class Breaker:
    """``open`` once 10 of the last 50 attempts have failed; it stays so.

    A rare failure is for the guard to judge; this is for a challenger that is broken or hangs, so
    that few requests wait for it before the champion answers them.
    """

    def __init__(self, name: str) -> None:
        """``name``: the challenger's, for the log."""
        self.open = False
        self._name = name
        self._failed: deque[bool] = deque(maxlen=_WINDOW)

    def note(self, *, failed: bool) -> None:
        """The outcome of an attempt."""
        self._failed.append(failed)
        if failed and not self.open and sum(self._failed) >= _FAILURES:
            self.open = True
            logger.warning(
                "%s failed %d times in %d attempts, so the champion answers instead of it until "
                "something is decided about its rollout",
                self._name,
                sum(self._failed),
                len(self._failed),
            )
