"""A file that is written whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from errors import RecordsError


@contextmanager
def new_file(path: Path, *, overwrite: bool, mode: int = 0o666) -> Iterator[Path]:
    """A file to write, which becomes ``path`` when the block ends, or is removed when it raises.

    ``mode``: its rights, less those of the umask. Raises RecordsError if it cannot be written, or
    if there is such a file and it is not to be overwritten.
    """
    try:
        if path.exists() and not path.is_file():
            # A file would replace the device or pipe.
            raise RecordsError(f"{path} is not a regular file: choose another.")
        if path.exists() and not overwrite:
            raise RecordsError(f"{path} already exists: choose another file, or add --overwrite.")
        # A unique name: several may be written at the same time.
        part = path.with_name(f".{path.name}.{token_hex(4)}.part")
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    except OSError as error:
        raise RecordsError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise RecordsError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        with suppress(OSError):
            part.unlink()
