"""What the C library keeps of memory that is free, for the next image, and when it gives it back.

A block that goes back to the system at once comes back as pages that the kernel has to find and
clear: 1,700 for a photo of 12 megapixels in base64, a tenth of its processor time. One that is kept
by each thread for itself is 100 MiB more. So all threads share what is kept, and it goes back once
the worker has nothing to do. Only glibc can be told so; others are left as they are.
"""

import asyncio
import ctypes
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from serving.background import background

# Its names, in malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

_LARGE_BLOCK_BYTES: Final = 8 * 2**20
"""A larger block goes back as soon as it is free: without a limit, 120 MB stayed after bombs."""

_MOST_AT_THE_END: Final = 16 * 2**20

MUCH_BYTES: Final = 16 * 2**20
"""To look through what is free takes a few milliseconds; for less than this it is not done."""

EVERY_SECONDS: Final = 2.0


def share_free_blocks() -> None:
    """Have threads keep what an image took for the next image, whichever thread has that."""
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _MOST_AT_THE_END)


def resident_bytes() -> int:
    """What this process has in memory; 0 where the system does not say."""
    try:
        # Not by pathlib, which takes as long again.
        with open("/proc/self/statm", "rb", buffering=0) as file:  # noqa: PTH123
            pages = int(file.read().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Return what is free to the system; other threads may have to wait for that."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


class Spare:
    """Gives free memory back while its worker is idle and has more than the last time."""

    def __init__(
        self,
        is_idle: Callable[[], bool],
        resident: Callable[[], int] = resident_bytes,
        give_back: Callable[[], None] = give_back,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._every_seconds = every_seconds
        self._is_idle = is_idle
        self._resident = resident
        self._give_back = give_back
        self._least = resident()

    def watching(self) -> AbstractAsyncContextManager[None]:
        """Look every few seconds until the block ends."""
        return background(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._every_seconds)
            if self.look():
                await asyncio.to_thread(self.return_it)

    def look(self) -> bool:
        """Whether it is worth it, and a good moment; remembers the least it has seen."""
        now = self._resident()
        self._least = min(self._least, now)
        return now - self._least > MUCH_BYTES and self._is_idle()

    def return_it(self) -> None:
        """Blocks for some milliseconds. What stays is in use, and is not tried again."""
        self._give_back()
        self._least = self._resident()


def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None)
