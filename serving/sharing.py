"""What the workers of a server see of one another: a file that all of them map, with a place for
each. To look takes less than a microsecond, and nobody waits."""

import mmap
from pathlib import Path
from typing import Final, NamedTuple

import internals
import internals_metrics

MOST: Final = 65_535
"""The largest of ``numbers``."""


class Place(NamedTuple):
    """``folder``: the same for all workers of a server, and for no other; ``number``: of this one,
    from 1, which whoever replaces it has too."""

    folder: Path
    number: int


def place() -> Place | None:
    """Of this worker; None outside of a server."""
    number, folder = internals.worker_number(), internals_metrics.folder()
    return None if number is None or folder is None else Place(folder, number)


def mapped(path: Path, size: int) -> mmap.mmap:
    """So many bytes, zeros at first, shared by all who map the file."""
    with path.open("ab") as made:
        # Zeros, whoever comes first.
        made.truncate(size)
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), size)


def numbers(path: Path, count: int) -> memoryview:
    """As ``mapped``, so many numbers from 0 to ``MOST``."""
    return memoryview(mapped(path, 2 * count)).cast("H")
