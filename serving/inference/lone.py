"""An image that comes alone: on all threads, if that is faster than on one.

Which it is depends on what else the machine does, so it is learned from the images that come alone,
and not once, when a server starts and all of its workers are busy. Who has none of these does
without the 34 MB that another session takes.
"""

import logging
import statistics
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from models.extractor import Embedder

logger = logging.getLogger("pupila.extractors")

# All threads take more of the processors than one, for nothing if they are hardly faster.
_FASTER: Final = 1.1

# Of three, two long ones were enough to give up the faster way, every hundred images.
_REMEMBERED: Final = 9

# After so many images as many as are remembered go the slower way again, to see whether it still
# is: fewer than one in a hundred, which would be the 99th percentile.
_AGAIN: Final = 1000

# All threads that were given up get another chance after so many, and twice as many each time that
# they fail: most were given up for a moment's neighbour, and a thousand images went the slower way.
_SOON: Final = 32


class Lone:
    """Loads an embedder for all threads once some images have come alone. But for the loading, it
    is used in the event loop."""

    def __init__(self, load: Callable[[], Embedder]) -> None:
        self._load = load
        self._loading: threading.Thread | None = None
        self.embedder: Embedder | None = None
        self._wide = deque[float](maxlen=_REMEMBERED)
        self._narrow = deque[float](maxlen=_REMEMBERED)
        self._since = 0
        self._patience = _SOON
        self._on_trial = 0
        self._taken = True

    def choose(self) -> Embedder | None:
        """What the next one runs on; None for what others do."""
        if self.embedder is None:
            if self._loading is None and len(self._narrow) == _REMEMBERED:
                self._loading = threading.Thread(target=self._open, name="lone", daemon=True)
                self._loading.start()
            return None
        return self.embedder if self._takes_all() else None

    def learn(self, seconds: float, embedder: Embedder) -> None:
        """How long one took, on what was chosen or on what others do."""
        (self._wide if embedder is self.embedder else self._narrow).append(seconds)

    def shrink(self) -> None:
        if self.embedder is not None:
            self.embedder.shrink()

    @property
    def _is_faster(self) -> bool:
        """Whether all threads were, of late."""
        return statistics.median(self._wide) * _FASTER < statistics.median(self._narrow)

    def _takes_all(self) -> bool:
        if len(self._wide) < _REMEMBERED:
            return True
        faster = self._is_faster
        if self._on_trial:
            self._on_trial -= 1
            return not self._taken
        if faster != self._taken:
            self._taken, self._since, self._patience = faster, 0, _SOON
        self._since += 1
        if self._since < (_AGAIN if faster else self._patience):
            return faster
        self._since, self._on_trial = 0, _REMEMBERED - 1
        if not faster:
            self._patience = min(2 * self._patience, _AGAIN)
        return not faster

    def _open(self) -> None:
        try:
            embedder = self._load()
            # Of the batch of golden images that it has run.
            embedder.shrink()
            self.embedder = embedder
        except Exception as error:  # noqa: BLE001 - images are answered as before
            logger.warning("images that come alone run on one thread: %s", error)
