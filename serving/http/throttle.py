"""Spaces out the answers to requests that are not let in, so that guessing leaves room for others.

A refusal is cheap, but whoever gets it asks again at once: at half of what a worker could refuse, a
good client waited three times as long as without. A client waits for the answer on its connection,
so an answer that is late slows down that client alone.
"""

from typing import Final

# Of a worker: 4% of a processor where a refusal costs 40 µs.
_PER_SECOND: Final = 1000.0
_AT_ONCE: Final = 100
# The most that an answer is late, however many wait: a request takes little more than its
# connection meanwhile, and connections are bounded.
_LONGEST_SECONDS: Final = 2.0


class Throttle:
    """``at_once`` answers without a wait, then ``per_second`` of them."""

    def __init__(
        self,
        per_second: float = _PER_SECOND,
        at_once: int = _AT_ONCE,
        longest_seconds: float = _LONGEST_SECONDS,
    ) -> None:
        self._step = 1 / per_second
        self._credit = at_once / per_second
        self._longest = longest_seconds
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Seconds by which an answer must be late. ``now`` in seconds, of any clock."""
        late = max(0.0, self._next - now)
        following = max(self._next, now - self._credit + self._step) + self._step
        # Or the end of a flood of many connections would not be the end of the waits.
        self._next = min(following, now + self._longest)
        return late
