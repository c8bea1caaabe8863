"""A file on disk for what would be too much for memory: pixels of photos, and their files.

It has no name from the moment it is made, so that nothing remains of a process that is killed. It
is read and written, not mapped: a full or failing disk is then an error and no SIGBUS, and neither
a limit of memory nor what the system says of a process counts it.
"""

import errno
import os
import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from errors import ModelError
from models.staging import FULL
from settings import settings

LEFT_FREE: Final = 256 * 2**20
"""For all others that write to this disk: ``PUPILA_HOME`` has the records."""

_MORE_ROOM: Final = "delete something, or let PUPILA_HOME be a folder on a larger disk"
# File systems that cannot set room aside; a write then says that there is none.
_CANNOT: Final = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


class Spill:
    """Contents one after the other, in a file without a name in ``PUPILA_HOME``. Several threads
    may add and read."""

    def __init__(self, what: str, size: int, images: int | None = None) -> None:
        """``what`` begins the sentence that says that ``size`` bytes do not fit; it advises to
        train on fewer of so many ``images``, if given. Raises ModelError."""
        self._folder = settings().home
        self._end = 0
        self._lock = threading.Lock()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_room(self._folder, what, size, images)
            with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
                self._descriptor = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._descriptor)
            _set_aside(self._descriptor, size)
        except OSError as error:
            raise self._failure(error) from None

    def add(self, content: bytes | NDArray[np.uint8]) -> "Span":
        """Raises ModelError if the disk is full."""
        if isinstance(content, bytes):
            left = memoryview(content)
        else:
            left = np.ascontiguousarray(content).data
        with self._lock:
            span = Span(self, self._end, len(left))
            self._end += len(left)
        at = span.start
        try:
            while left:
                written = os.pwrite(self._descriptor, left, at)
                at, left = at + written, left[written:]
        except OSError as error:
            raise self._failure(error) from None
        return span

    def read(self, start: int, found: NDArray[np.uint8]) -> None:
        """Fill ``found``, uint8 [F], with what begins at ``start``. Raises ModelError."""
        left = found.data
        try:
            while left:
                count = os.preadv(self._descriptor, [left], start)
                if not count:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))  # noqa: TRY301 - as any other
                start, left = start + count, left[count:]
        except OSError as error:
            raise self._failure(error) from None

    def _failure(self, error: OSError) -> ModelError:
        advice = f"; {_MORE_ROOM}" if error.errno in FULL else ""
        return ModelError(
            f"{self._folder} cannot keep the pixels of photos: {error.strerror}{advice}."
        )


@dataclass(frozen=True)
class Span:
    """Some bytes of a spill."""

    spill: Spill
    start: int
    size: int

    def __len__(self) -> int:
        return self.size

    def tobytes(self) -> bytes:
        found = np.empty(self.size, np.uint8)
        self.spill.read(self.start, found)
        return found.tobytes()


Content = bytes | Span
Given = TypeVar("Given", bytes, NDArray[np.uint8])


def spilled(content: Given, spill: Spill | None) -> Given | Span:
    """In the spill, if there is one; else as it is. Raises ModelError if the disk is full."""
    return content if spill is None else spill.add(content)


def content_of(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content.tobytes()


def _check_room(folder: Path, what: str, size: int, images: int | None) -> None:
    free = max(0, shutil.disk_usage(folder).free - LEFT_FREE)
    if size <= free:
        return
    fits = 0 if images is None else images * free // size
    fewer = f", or train on {fits:,} of them at most" if fits else ""
    raise ModelError(
        f"{what} need {size / 2**30:.1f} GiB of disk in {folder} while they are in use, and "
        f"{free / 2**30:.1f} GiB can be used there: {_MORE_ROOM}{fewer}."
    )


def _set_aside(descriptor: int, size: int) -> None:
    """So that a disk that others fill meanwhile is found now and not after an hour."""
    if not size or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
