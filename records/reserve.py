"""Some of the disk that is set aside beside SQLite's file: whoever deletes records from a full disk
needs it, since each change is first written to a log."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

SIZE: Final = 8 * 1024 * 1024
"""For what SQLite's log has that is not in the file yet, 1,000 pages and a server's transaction of
4 MiB, and for the first deletions. From then on the log's own room is used again."""

# Where there is not so much free, it stays for those who need it.
ENOUGH: Final = 16 * SIZE


def set_aside(database: Path, enough: int = ENOUGH) -> None:
    """Do so unless it is done already, or the disk has less than ``enough`` bytes free."""
    path = reserve(database)
    with suppress(OSError):
        if path.exists() or shutil.disk_usage(database.parent).free < enough:
            return
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            _fill(descriptor)
        except OSError:
            path.unlink()
        finally:
            os.close(descriptor)


def release(database: Path) -> bool:
    """Give it up; whether there was any."""
    try:
        reserve(database).unlink()
    except OSError:
        return False
    return True


def _fill(descriptor: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, SIZE)
    else:
        # A hole in a file takes no disk.
        os.write(descriptor, bytes(SIZE))


def reserve(database: Path) -> Path:
    """Its file."""
    return database.with_name(f"{database.name}-reserve")
