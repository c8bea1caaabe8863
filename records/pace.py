"""How fast a long change of a database goes on, so that those who write meanwhile hardly wait."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TARGET = 0.02
"""Seconds that one transaction may take. On SQLite, who waits for it looks again after 1, 2, 5, 10,
15, 20 and 25 ms, and gets in only if it is free just then."""


class Pace:
    """The size of each step follows from how long the last one took; after each comes a pause as
    long as it, so that whoever waits gets in.

    ``most`` and ``least``: the largest size and the smallest, since part of what a step takes does
    not depend on its size. ``target``: of seconds. ``clock`` and ``rest``: of seconds.
    """

    def __init__(
        self,
        size: int,
        most: int,
        least: int = 1,
        target: float = TARGET,
        clock: Callable[[], float] = time.perf_counter,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self.size, self._most, self._least = size, most, least
        self._target = target
        self._clock, self._rest = clock, rest
        self._start = 0.0

    def begins(self) -> None:
        """Only from now on does anybody wait for this step: it waited for others until here."""
        self._start = self._clock()

    @contextmanager
    def step(self) -> Iterator[int]:
        """One step: of how many rows, or whatever is counted."""
        self._start = self._clock()
        yield self.size
        took = self._clock() - self._start
        if took > self._target:
            self.size = max(self._least, int(self.size * max(0.25, self._target / took)))
        elif took < self._target / 2:
            self.size = min(self._most, self.size * 2)
        self._rest(max(took, TARGET / 2))
