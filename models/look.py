"""What was seen in a store the last time, and whether it must be looked at again.

With 300 versions a full look takes 8 ms, and every worker looks twice a second.
"""

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from models.version import Version

# Folders that are a mounted bucket may tell no changes.
_SECONDS: Final = 10.0
# No file system in use counts in larger steps.
_SAME_TIME_NS: Final = 2_100_000_000


@dataclass(frozen=True)
class Look:
    """All versions of a store at a moment, and its stamp, if there was nothing else in it."""

    stamp: tuple[int, ...] | None = None
    versions: tuple[Version, ...] = ()
    at: float = field(default_factory=time.monotonic)

    def holds(self, now: tuple[int, ...] | None) -> bool:
        return now is not None and now == self.stamp and time.monotonic() - self.at < _SECONDS


def stamp(roots: Sequence[Path]) -> tuple[int, ...] | None:
    """When each of these stores, and each model's folder in it, has changed: the same as before if
    no version has come or gone since.

    None if one has changed just now, and another change may get the same time. Raises OSError if a
    store exists but cannot be read.
    """
    found: list[int] = []
    for root in roots:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.append(root.stat().st_mtime_ns)
            with os.scandir(root) as entries:
                found += (entry.stat().st_mtime_ns for entry in entries)
    just_now = time.time_ns() - _SAME_TIME_NS
    return None if any(changed > just_now for changed in found) else tuple(found)
