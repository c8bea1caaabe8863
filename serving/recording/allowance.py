"""What may be taken in a minute."""


class Allowance:
    """A token bucket: a minute's worth, which fills evenly and is never more than full.

    What takes more than there is waits until the bucket is full enough, or full.
    """

    def __init__(self, per_minute: float, now: float, at_least: float = 0) -> None:
        """``now`` in seconds, of any clock; ``at_least``: what the bucket holds in any case."""
        self._per_second = per_minute / 60
        self._bucket = max(per_minute, at_least)
        self._tokens = self._bucket
        self._now = now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until that much may be taken; 0 if it may be taken now."""
        self._tokens = min(self._bucket, self._tokens + (now - self._now) * self._per_second)
        self._now = now
        missing = min(amount, self._bucket) - self._tokens
        return max(0.0, missing / self._per_second)

    def take(self, amount: float) -> None:
        self._tokens -= amount
