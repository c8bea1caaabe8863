"""Reads many folders, of which any may be on a disk that does not answer.

One thread reads them all, one after the other: a thread for each cost a millisecond of CPU, ten
times as much as to read a version. If a folder does not answer in time, it is left out until it
does, and another thread goes on with the rest.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Final, Generic, TypeVar

from models.detached import detached

logger = logging.getLogger("pupila.store")

T = TypeVar("T")

# A manifest takes milliseconds to read. One that takes longer is on a disk that does not answer.
SECONDS: Final = 2.0


class Reader(Generic[T]):
    """What ``read`` returns for each folder. Not for several threads at once."""

    def __init__(self, read: Callable[[Path], T], seconds: float = SECONDS) -> None:
        self._read, self._seconds = read, seconds
        self._late: dict[Path, Future[T]] = {}

    def __call__(self, paths: Sequence[Path]) -> Mapping[Path, T]:
        """Of those that answer. Each of the others is waited for once, for some seconds, and its
        result is there when it is asked for again after it has come. Raises what ``read`` does."""
        found = {path: self._late.pop(path).result() for path in paths if self._came(path)}
        rest = [path for path in paths if path not in found and path not in self._late]
        while rest:
            run = _Run(self._read, rest)
            thread = detached("read versions", run)
            late = run.stuck(self._seconds)
            found |= {
                path: future.result() for path, future in run.futures.items() if future.done()
            }
            if late is None:
                thread.result()
                break
            logger.warning("%s does not answer, so it is left out until it does", late)
            self._late[late] = run.futures[late]
            rest = rest[rest.index(late) + 1 :]
        return found

    def _came(self, path: Path) -> bool:
        return path in self._late and self._late[path].done()


class _Run(Generic[T]):
    """Reads folders in their order, until one of them has taken too long."""

    def __init__(self, read: Callable[[Path], T], paths: Sequence[Path]) -> None:
        self._read = read
        self.futures: dict[Path, Future[T]] = {path: Future() for path in paths}
        self._ended, self._given_up = threading.Event(), threading.Event()

    def __call__(self) -> None:
        for path, future in self.futures.items():
            if self._given_up.is_set():
                break
            try:
                future.set_result(self._read(path))
            except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
                future.set_exception(error)
        self._ended.set()

    def stuck(self, seconds: float) -> Path | None:
        """Waits for the end; the folder that takes longer than so many seconds, if one does.

        Only once in so many, since waking up for each folder costs more than to read it.
        """
        before = -1
        while not self._ended.wait(seconds):
            done = sum(future.done() for future in self.futures.values())
            if done == before:
                self._given_up.set()
                return next(path for path, future in self.futures.items() if not future.done())
            before = done
        return None
