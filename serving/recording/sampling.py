"""Which predictions are kept: a few of many, each with a weight that represents the others.

A window of half a second keeps a uniform sample of at most k of the n predictions that it sees, so
each is kept with probability k/n and has the weight n/k. k is fixed before the window begins, from
what the rate limit allows; so sums of weights are unbiased, whatever the traffic does.
"""

import math
from random import Random
from typing import Generic, Literal, NamedTuple, TypeVar

Stratum = Literal["ordinary", "unsure", "unknown", "rejected"]

WINDOW_SECONDS = 0.5

# Proportions of the tokens that are available when a window begins. What a stratum does not use is
# available to all in the next window; so a few unsure or rejected predictions, or of images that
# are not known, are kept even where thousands of others are not.
_PROPORTIONS: dict[Stratum, float] = {
    "ordinary": 0.4, "unsure": 0.2, "unknown": 0.2, "rejected": 0.2
}  # fmt: skip

# What the smallest window takes: a smaller bucket would never have enough tokens to end one.
_MIN_BUCKET = len(_PROPORTIONS) + 1

_NOT_CHOSEN = -1

Item = TypeVar("Item")


class Sampled(NamedTuple, Generic[Item]):
    """``weight``: how many items this one represents, 1 / the probability of having been kept."""

    item: Item
    weight: float


class Reservoir(Generic[Item]):
    """A uniform sample of at most ``capacity`` items, from a proportion ``rate`` of those offered.

    Algorithm L of Li (1994), "Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n)))":
    it knows in advance which item it chooses next, so the others only have to be counted.
    """

    __slots__ = (
        "_capacity", "_next", "_random", "_rate", "_skips_of_rate", "_threshold", "items", "skips",
    )  # fmt: skip

    def __init__(self, capacity: int, rate: float, random: Random) -> None:
        self._capacity = capacity
        self._rate = rate
        self._random = random
        self._next = 1
        self._threshold = 1.0
        self._skips_of_rate = 0
        self.skips = 0
        """How many of the next items are certain not to be chosen. A caller may decrement this
        instead of calling ``choose``. Always 0 at a rate below 1."""
        self.items: list[Item] = []

    def choose(self) -> int:
        """The index to ``put`` the offered item at; negative if the item is not chosen."""
        if self.skips:
            self.skips -= 1
            return _NOT_CHOSEN
        if self._rate < 1:
            if self._random.random() >= self._rate:
                return _NOT_CHOSEN
            if self._skips_of_rate:
                self._skips_of_rate -= 1
                return _NOT_CHOSEN
        size = len(self.items)
        skips = 0 if self._next < self._capacity else self._draw_skips()
        self._next += skips + 1
        if self._rate < 1:
            self._skips_of_rate = skips
        else:
            self.skips = skips
        return size if size < self._capacity else self._random.randrange(self._capacity)

    def put(self, index: int, item: Item) -> Item | None:
        """Store the item; returns the item that it replaces, if any."""
        if index == len(self.items):
            self.items.append(item)
            return None
        replaced, self.items[index] = self.items[index], item
        return replaced

    def sampled(self) -> list[Sampled[Item]]:
        seen = self._next - 1 - self.skips - self._skips_of_rate
        weight = seen / self._rate / len(self.items) if self.items else 0.0
        return [Sampled(item, weight) for item in self.items]

    def _draw_skips(self) -> int:
        """How many items are not chosen before the next one that is."""
        # 1 - random(): the logarithm of 0 is not defined.
        self._threshold *= math.exp(math.log(1 - self._random.random()) / self._capacity)
        if self._threshold >= 1:
            return 0
        return int(math.log(1 - self._random.random()) / math.log1p(-self._threshold))


class Sampler(Generic[Item]):
    """The sample of one model in one worker: consecutive windows, under a rate limit.

    The limit is a token bucket that holds a minute's worth and fills evenly; each item kept costs
    one token. A window lasts longer if there are not enough tokens to end it.
    """

    def __init__(self, per_minute: float, rate: float, now: float, random: Random) -> None:
        """``rate``: proportion of ordinary predictions that may be kept; ``now`` in seconds."""
        self._random = random
        self._rate = rate
        self._per_second = per_minute / 60
        self._bucket = max(per_minute, float(_MIN_BUCKET))
        self._tokens = self._bucket
        self._now = now
        self._open()

    def _open(self) -> None:
        self.ordinary = self._reservoir("ordinary", self._rate)
        self.unsure = self._reservoir("unsure", 1.0)
        self.unknown = self._reservoir("unknown", 1.0)
        self.rejected = self._reservoir("rejected", 1.0)

    @property
    def _strata(self) -> tuple[Reservoir[Item], ...]:
        return self.ordinary, self.unsure, self.unknown, self.rejected

    def _reservoir(self, stratum: Stratum, rate: float) -> Reservoir[Item]:
        capacity = max(1, int(self._tokens * _PROPORTIONS[stratum]))
        return Reservoir(capacity, rate, self._random)

    def items(self) -> list[Item]:
        """What the window would keep if it ended now."""
        return [item for stratum in self._strata for item in stratum.items]

    def close(self, now: float, *, early: bool = False, last: bool = False) -> list[Sampled[Item]]:
        """End the window if there are enough tokens, and begin the next.

        ``early``: somebody waits for what is in it, so it may go into debt, by one bucket at most;
        ``last``: end it in any case.
        """
        self._tokens = min(self._bucket, self._tokens + (now - self._now) * self._per_second)
        self._now = now
        kept = [sampled for stratum in self._strata for sampled in stratum.sampled()]
        tokens = self._tokens - len(kept)
        if tokens < (-self._bucket if early else 0) and not last:
            return []
        self._tokens = tokens
        self._open()
        return kept
