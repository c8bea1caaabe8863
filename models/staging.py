"""Where versions are written before they are published: next to the store, on its file system."""

import contextlib
import errno
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
FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""What a disk without room says."""

_ABANDONED_AFTER_SECONDS = 24 * 3600


class Staging:
    """Folders from which a rename publishes a version, and into which a rename removes it."""

    def __init__(self, store: Path) -> None:
        self._path = store.parent / _NAME

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty folder, deleted at the end. Raises ModelError if it cannot be created; an
        OSError of a full disk names the folder of the store."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._sweep()
            folder = Path(tempfile.mkdtemp(dir=self._path))
        except OSError as error:
            raise ModelError(f"{self._path} cannot be written: {error.strerror}.") from error
        try:
            yield folder
        except OSError as error:
            # A write, unlike an open, does not say of which file.
            if error.errno in FULL and error.filename is None:
                error.filename = str(self._path.parent)
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time publish or remove versions."""
        with (self._path / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _sweep(self) -> None:
        """Remove what killed processes left behind, if too old to be in use."""
        for folder in self._path.iterdir():
            with contextlib.suppress(OSError):
                age = time.time() - folder.stat().st_mtime
                if folder.is_dir() and age > _ABANDONED_AFTER_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until the content of a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
