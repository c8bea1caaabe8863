"""Image files on a disk: read whole or refused, and their names as text."""

import os
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final

from errors import ImageError

MAX_FILE_BYTES: Final = 64 * 2**20

FOLDER_LINK: Final = "it is a link to a folder, which is not followed"
"""Following links could lead in a cycle."""


def read_image(path: Path) -> bytes:
    """The content of a regular file; links to files are followed.

    Raises ImageError, with the reason alone, if it cannot be read, is larger than 64 MiB, or is a
    folder, a pipe or a device, which might never end.
    """
    try:
        status = path.stat()
        if S_ISDIR(status.st_mode):
            raise ImageError(FOLDER_LINK if path.is_symlink() else "it is a folder")
        if not S_ISREG(status.st_mode):
            raise ImageError("it is not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise ImageError(f"it is larger than {MAX_FILE_BYTES // 2**20} MiB")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"it cannot be read: {reason}") from error


def path_text(path: str | Path) -> str:
    """The path as text that Parquet and terminals accept: bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
