"""Whoever has one key, as one worker knows them: what they may do, and how much is left of it."""

import math
import time
from datetime import UTC, date, datetime, timedelta
from typing import Final

from errors import ForbiddenError, TooManyRequestsError, UnauthorizedError
from models.names import model_name
from records.key import Key, Scope, rate_text

# Where the scope of a request keeps its caller.
CALLER: Final = "pupila.caller"

_DAY_SECONDS: Final = 86_400


class Caller:
    """Counts images and labels; its methods run in the event loop.

    A token bucket holds a second's worth of this worker's share of the rate, and at least one. What
    a request turns out to have beyond its first image or label is owed: the next one waits until
    that is paid, so that a batch gets no more than as many requests. The count of a day is that of
    all workers as last read from the database, and what came here since.
    """

    __slots__ = (
        "_burst", "_daily", "_day", "_expires", "_filled", "_known", "_new", "_scopes", "_share",
        "_tokens", "key",
    )  # fmt: skip

    def __init__(self, key: Key, workers: int, *, counts_are_shared: bool = True) -> None:
        self.key = key
        self._scopes = frozenset(key.scopes)
        self._expires = math.inf if key.expires_at is None else key.expires_at.timestamp()
        if key.revoked_at is not None:
            self._expires = 0.0
        self._share = None if key.rate is None else key.rate / workers
        self._burst = max(1.0, self._share or 0.0)
        self._tokens = self._burst
        self._filled = time.monotonic()
        self._daily = key.daily
        if key.daily is not None and not counts_are_shared:
            self._daily = max(1, key.daily // workers)
        self._day = 0
        self._known = self._new = 0

    def inherit(self, other: "Caller") -> None:
        """Go on from the counts of the same key, which was changed."""
        self._tokens = min(self._burst, other._tokens)
        self._filled = other._filled
        self._day, self._known, self._new = other._day, other._known, other._new

    def admit(self, scope: Scope | None) -> None:
        """Let one request in. Raises UnauthorizedError if the key has ended, ForbiddenError if it
        lacks the scope, TooManyRequestsError."""
        now = time.time()
        if now >= self._expires:
            raise self._ended()
        if scope is not None and scope not in self._scopes:
            raise ForbiddenError(f"The key {self.key.name} lacks the scope {scope}.")
        if self._daily is not None:
            self._check_day(now, self._daily)
        if self._share is not None:
            moment = time.monotonic()
            tokens = self._tokens + (moment - self._filled) * self._share
            if tokens > self._burst:
                tokens = self._burst
            self._filled = moment
            if tokens < 1:
                self._tokens = tokens
                raise self._too_fast((1 - tokens) / self._share)
            self._tokens = tokens - 1
        self._new += 1

    def charge(self, more: int) -> None:
        """Count ``more`` images or labels, of a request that was let in."""
        self._new += more
        self._tokens -= more

    def require(self, model: str) -> None:
        """Raises ForbiddenError unless the key may ask the model, by any of its names."""
        if self.key.models is not None and not self.key.allows(model_name(model)):
            raise ForbiddenError(f"The key {self.key.name} is not for the model {model}.")

    def take_new(self) -> int:
        """What came since the last time, to be added to the database's count."""
        new, self._new = self._new, 0
        self._known += new
        return new

    def give_back(self, new: int) -> None:
        """``take_new``, undone: the database did not take it."""
        self._new += new
        self._known -= new

    def counted(self, day: date, total: int) -> None:
        """What the database has for the day, of all workers."""
        self._known = total
        self._day = (day - date(1970, 1, 1)).days

    def _check_day(self, now: float, daily: int) -> None:
        day = int(now // _DAY_SECONDS)
        if day != self._day:
            self._day, self._known, self._new = day, 0, 0
        if self._known + self._new >= daily:
            tomorrow = datetime.fromtimestamp(now, UTC).date() + timedelta(days=1)
            raise TooManyRequestsError(
                f"The key {self.key.name} has used up its {self.key.daily:,} a day; try again on "
                f"{tomorrow}, UTC.",
                self.key.daily or 0,
                math.ceil(_DAY_SECONDS - now % _DAY_SECONDS),
            )

    def _ended(self) -> UnauthorizedError:
        if self.key.revoked_at is not None:
            return UnauthorizedError("The key was revoked.")
        return UnauthorizedError(f"The key {self.key.name} has expired.")

    def _too_fast(self, seconds: float) -> TooManyRequestsError:
        rate = self.key.rate or 0.0
        wait = math.ceil(seconds)
        return TooManyRequestsError(
            f"The key {self.key.name} is limited to {rate_text(rate)}; try again in {wait} "
            f"second{'s' if wait != 1 else ''}.",
            max(1, int(rate)),
            wait,
        )
