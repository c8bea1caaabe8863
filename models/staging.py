"""Where versions are made before they are seen: beside the store, on the same file system."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from errors import ModelError

_NAME = "pupila-staging"
_LOCK = "lock"
_ABANDONED_AFTER_SECONDS = 24 * 3600


class Staging:
    """Folders from which one rename makes a version visible, and to which one makes it vanish."""

    def __init__(self, store: Path) -> None:
        self._path = store.parent / _NAME

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder, gone at the end. Raises ModelError if none can be made."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._sweep()
            folder = Path(tempfile.mkdtemp(dir=self._path))
        except OSError as error:
            raise ModelError(f"{self._path} cannot be written: {error.strerror}.") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time changes which versions there are."""
        with (self._path / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _sweep(self) -> None:
        """Remove what a killed process left, old enough that it cannot be at work still."""
        for left in self._path.iterdir():
            with contextlib.suppress(OSError):
                age = time.time() - left.stat().st_mtime
                if left.is_dir() and age > _ABANDONED_AFTER_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)


def sync(path: Path) -> None:
    """Have a file's, or a folder's, content on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
