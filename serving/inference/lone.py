"""An image that comes alone: on all threads, if that is faster than on one.

Which it is depends on what else the machine does, so it is learned from the images that come alone,
and not once, when a server starts and all of its workers are busy.
"""

import statistics
from collections import deque
from typing import Final

from models.extractor import Embedder

# All threads take more of the processors than one, for nothing if they are hardly faster.
_FASTER: Final = 1.2

_REMEMBERED: Final = 3

# How often the slower way is tried again: one in a hundred would be the 99th percentile.
_AGAIN: Final = 128


class Lone:
    """``embedder``: one that runs on all threads."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._wide = deque[float](maxlen=_REMEMBERED)
        self._narrow = deque[float](maxlen=_REMEMBERED)
        self._since = 0

    def chooses_all_threads(self) -> bool:
        """For the next one."""
        if len(self._wide) < _REMEMBERED or len(self._narrow) < _REMEMBERED:
            return len(self._wide) <= len(self._narrow)
        self._since += 1
        if self._since >= _AGAIN:
            self._since = 0
            return not self.is_faster
        return self.is_faster

    @property
    def is_faster(self) -> bool:
        """Whether all threads were, of late."""
        if not self._wide or not self._narrow:
            return True
        return statistics.median(self._wide) * _FASTER < statistics.median(self._narrow)

    def learn(self, seconds: float, *, all_threads: bool) -> None:
        """How long one took, that came alone and stayed alone."""
        (self._wide if all_threads else self._narrow).append(seconds)
