"""What the processors have to do: here, and in the other workers of this server.

An image that comes alone may have all of them, and a worker that has all of the clients those that
the others leave. What a worker is at, the others see in a byte.
"""

import mmap
from pathlib import Path
from typing import Final, Self

from serving.sharing import mapped, place

_FILE: Final = "activity"

_MOST: Final = 255


class Activity:
    """What one worker is at; its methods run in the event loop."""

    def __init__(self, path: Path | None = None, number: int = 1, workers: int = 1) -> None:
        """``path``: of the file, None without other workers; ``number``: of this one, from 1 to
        ``workers``."""
        self._bytes: mmap.mmap | bytearray = (
            bytearray(workers) if path is None else mapped(path, workers)
        )
        self._at = number - 1
        self._count = 0
        # One that was killed at work has left its byte.
        self._write()

    @classmethod
    def of_this_worker(cls, workers: int) -> Self:
        here = place()
        if here is None or here.number > workers:
            return cls()
        return cls(here.folder / _FILE, here.number, workers)

    @property
    def is_none(self) -> bool:
        """Whether nobody decodes a large image, or runs an extractor."""
        return not self.count

    @property
    def count(self) -> int:
        """How many large images are decoded, and passes run, by all workers."""
        return sum(self._bytes[:])

    def begin(self) -> None:
        self._count += 1
        self._write()

    def end(self) -> None:
        self._count -= 1
        self._write()

    def _write(self) -> None:
        self._bytes[self._at] = min(self._count, _MOST)
