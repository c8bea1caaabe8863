"""How many of a worker's clients should be another's: those that ask again and again, such as a
proxy with connections that it keeps.

Connections are spread as they begin, by their number and roughly, since most end soon. Of 16
clients that stay, one of two workers then has 10 and the other 6, whose answers come sooner. So a
worker that has more than its part gives some away, each between two of its requests.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from serving.sharing import MOST, numbers

_FILE: Final = "clients"

_MUCH: Final = 1.125
"""A worker that has less than so many times its part gives none away: clients come and go."""


class Balance:
    """Of one worker, whose clients are those that were answered within the last second or so, or
    wait for an answer; its methods run in the event loop."""

    def __init__(self, folder: Path, number: int, workers: int) -> None:
        """``folder``: the same for all workers; ``number``: of this one, from 1 to ``workers``."""
        self.surplus = 0
        """How many clients more than its part it has, as was last told."""
        self._number = number
        shared = numbers(folder / _FILE, 2 * (workers + 1))
        self._counts, self._times = shared[: workers + 1], shared[workers + 1 :]
        self._told = list(self._times)
        self._takers: list[int] = []
        # By the worker whose place this one has taken.
        self._counts[number] = 0

    def tell(self, clients: int, takers: Collection[int]) -> None:
        """This worker has so many clients now, and ``takers`` are the others that take some: those
        of them that have told since this one last did, since one that hangs would let them wait."""
        counts, times = self._counts, self._times
        counts[self._number] = min(clients, MOST)
        times[self._number] = (times[self._number] + 1) % MOST
        self._takers = [number for number in takers if times[number] != self._told[number]]
        self._told = list(times)
        part = (clients + sum(counts[number] for number in self._takers)) / (len(self._takers) + 1)
        self.surplus = int(clients - part) if clients >= _MUCH * part else 0

    def choose(self, takers: Collection[int]) -> int | None:
        """The one of them to give a client to; None, and none until the next time, if it would have
        no fewer than this one."""
        those = [number for number in self._takers if number in takers]
        least = min(those, key=self._counts.__getitem__, default=None)
        if least is None or self._counts[least] + 2 > self._counts[self._number]:
            self.surplus = 0
            return None
        return least

    def gave(self, number: int) -> None:
        """A client went to that worker, which has not told yet."""
        self.surplus -= 1
        self._counts[number] += 1
        self._counts[self._number] -= 1
