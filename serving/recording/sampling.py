"""Which predictions are kept: few of many, each with the weight that makes up for the others.

A window of half a second keeps a uniform sample of at most k of the n predictions it sees,
so each is kept with probability k/n and weighs n/k. k is fixed before the window begins, out of
what the cap leaves; so sums over the weights are unbiased, whatever the traffic does.
"""

import math
from random import Random
from typing import Generic, Literal, NamedTuple, TypeVar

Stratum = Literal["ordinary", "unsure", "rejected"]

WINDOW_SECONDS = 0.5

# Of what the cap leaves when a window begins. What a stratum does not use is there for all in the
# next window; so the few that are unsure or rejected are kept where thousands of others are not.
_SHARES: dict[Stratum, float] = {"ordinary": 0.5, "unsure": 0.25, "rejected": 0.25}

# What the smallest windows take: with less in the bucket, they would never end.
_LEAST = len(_SHARES) + 1

_NOT_CHOSEN = -1

Kept = TypeVar("Kept")


class Sampled(NamedTuple, Generic[Kept]):
    """What was kept, and how many like it that stands for: 1 / the probability to be kept."""

    item: Kept
    weight: float


class Reservoir(Generic[Kept]):
    """A uniform sample of at most ``capacity`` of a share, ``rate``, of all that it is offered.

    Algorithm L of Li (1994), "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))":
    it knows beforehand which one it takes next, so the others cost no more than to be counted.
    """

    __slots__ = (
        "_behind", "_capacity", "_next", "_random", "_rate", "_threshold", "items", "left",
    )  # fmt: skip

    def __init__(self, capacity: int, rate: float, random: Random) -> None:
        self._capacity = capacity
        self._rate = rate
        self._random = random
        self._next = 1
        self._threshold = 1.0
        self._behind = 0
        self.left = 0
        """How many are certain not to be chosen: who counts one of them down need not ask for it.
        Always 0 at a rate below 1."""
        self.items: list[Kept] = []

    def choose(self) -> int:
        """The place that the one now offered takes, to be told ``put``; negative for none."""
        if self.left:
            self.left -= 1
            return _NOT_CHOSEN
        if self._rate < 1:
            if self._random.random() >= self._rate:
                return _NOT_CHOSEN
            if self._behind:
                self._behind -= 1
                return _NOT_CHOSEN
        held = len(self.items)
        before = 0 if self._next < self._capacity else self._skip()
        self._next += before + 1
        if self._rate < 1:
            self._behind = before
        else:
            self.left = before
        return held if held < self._capacity else self._random.randrange(self._capacity)

    def put(self, place: int, item: Kept) -> Kept | None:
        """The item whose place it takes, if there is one."""
        if place == len(self.items):
            self.items.append(item)
            return None
        replaced, self.items[place] = self.items[place], item
        return replaced

    def sampled(self) -> list[Sampled[Kept]]:
        seen = self._next - 1 - self.left - self._behind
        weight = seen / self._rate / len(self.items) if self.items else 0.0
        return [Sampled(item, weight) for item in self.items]

    def _skip(self) -> int:
        """How many are not chosen before the next one that is."""
        # 1 - random(): there is no logarithm of 0.
        self._threshold *= math.exp(math.log(1 - self._random.random()) / self._capacity)
        if self._threshold >= 1:
            return 0
        return int(math.log(1 - self._random.random()) / math.log1p(-self._threshold))


class Sampler(Generic[Kept]):
    """The sample of one model in one worker: windows, one after the other, under a cap.

    The cap is a bucket that holds a minute's worth and fills evenly; what is kept is taken out of
    it. A window goes on for longer where there is not enough in it.
    """

    def __init__(self, per_minute: float, rate: float, now: float, random: Random) -> None:
        """``rate``: the share of ordinary predictions that may be kept; ``now`` in seconds."""
        self._random = random
        self._rate = rate
        self._per_second = per_minute / 60
        self._bucket = max(per_minute, float(_LEAST))
        self._left = self._bucket
        self._now = now
        self._open()

    def _open(self) -> None:
        self.ordinary = self._reservoir("ordinary", self._rate)
        self.unsure = self._reservoir("unsure", 1.0)
        self.rejected = self._reservoir("rejected", 1.0)

    def _reservoir(self, stratum: Stratum, rate: float) -> Reservoir[Kept]:
        capacity = max(1, int(self._left * _SHARES[stratum]))
        return Reservoir(capacity, rate, self._random)

    def items(self) -> list[Kept]:
        """What the window would keep if it ended now."""
        return [*self.ordinary.items, *self.unsure.items, *self.rejected.items]

    def close(self, now: float, *, early: bool = False, last: bool = False) -> list[Sampled[Kept]]:
        """End the window if it may end, and begin the next.

        ``early``: it may end on credit, of a bucket at most, for somebody asks for what is in it;
        ``last``: in any case.
        """
        self._left = min(self._bucket, self._left + (now - self._now) * self._per_second)
        self._now = now
        kept = [*self.ordinary.sampled(), *self.unsure.sampled(), *self.rejected.sampled()]
        left = self._left - len(kept)
        if left < (-self._bucket if early else 0) and not last:
            return []
        self._left = left
        self._open()
        return kept
