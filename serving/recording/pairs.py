"""Records that wait for the other version's answer, and disagreements that were not sampled.

Whether a prediction is sampled is decided when it is made, and never by its pair: so the weights of
the sample stay right. A disagreement that was not chosen is kept as well, without a weight, since
only its label tells the two versions apart.
"""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from records.prediction import KeptPrediction
from records.routing import Pair
from serving.recording.allowance import Allowance
from serving.recording.sampling import Sampled

# Of the records of a minute, as many disagreements again.
_PART: Final = 0.5
_AT_LEAST: Final = 10.0


class Pairs:
    """Of one worker; its methods run in the event loop."""

    def __init__(self, per_minute: float, fits: Callable[[KeptPrediction], bool]) -> None:
        """``per_minute``: limit of predictions kept; ``fits``: whether there is memory for one."""
        self._fits = fits
        self._allowance = Allowance(per_minute * _PART, time.monotonic(), _AT_LEAST)
        self._expected: dict[int, KeptPrediction] = {}
        self._written: set[int] = set()
        self._held: list[Sampled[KeptPrediction]] = []
        self._others: list[KeptPrediction] = []

    def expect(self, kept: KeptPrediction | None) -> None:
        """A pair will follow: the record waits for it."""
        if kept is not None:
            self._expected[id(kept)] = kept

    def expect_no_more(self, kept: KeptPrediction | None) -> bool:
        """None will, or it is here; whether the record still waits, or was written without."""
        if kept is None:
            return False
        if id(kept) in self._written:
            self._written.remove(id(kept))
            return True
        return self._expected.pop(id(kept), None) is not None

    def paired(
        self, kept: KeptPrediction | None, pair: Pair, make: Callable[[], KeptPrediction]
    ) -> None:
        """``make``: makes the record of a prediction that was not chosen."""
        if kept is not None:
            kept.pair = pair
        if not self.expect_no_more(kept):
            self._keep(pair, kept, make)

    def replaced(self, kept: KeptPrediction) -> bool:
        """It was chosen, and is not any more; whether it has, or expected, a pair."""
        # One that is still expected is found to be replaced when its pair is here.
        expected = self._expected.pop(id(kept), None) is not None
        if not expected and kept.pair is not None:
            self._keep(kept.pair, kept, lambda: kept)
        return expected or kept.pair is not None

    def ready(
        self, sampled: Sequence[Sampled[KeptPrediction]], *, last: bool = False
    ) -> list[Sampled[KeptPrediction]]:
        """Those, and earlier ones, that wait for nothing."""
        if not self._expected and not self._held:
            return list(sampled)
        every = [*self._held, *sampled]
        self._held = [one for one in every if id(one.item) in self._expected and not last]
        waiting = {id(one.item) for one in self._held}
        return [one for one in every if id(one.item) not in waiting]

    def take(
        self, request_ids: Collection[str], sampled: Sequence[Sampled[KeptPrediction]]
    ) -> list[Sampled[KeptPrediction]]:
        """``ready``, and what is held of these requests, with or without its pair."""
        ready = self.ready(sampled)
        mine = [one for one in self._held if one.item.request_id in request_ids]
        for one in mine:
            del self._expected[id(one.item)]
            self._written.add(id(one.item))
        taken = {id(one.item) for one in mine}
        self._held = [one for one in self._held if id(one.item) not in taken]
        return [*ready, *mine]

    def waits_for(self, request_ids: Collection[str]) -> bool:
        """Whether a pair of one of these is expected."""
        return any(kept.request_id in request_ids for kept in self._expected.values())

    def has(self, request_ids: Collection[str]) -> bool:
        """Whether a record of one of these is here."""
        return any(
            kept.request_id in request_ids
            for kept in (*self._others, *(one.item for one in self._held))
        )

    def others(self) -> list[KeptPrediction]:
        """Disagreements that were not sampled; the caller takes them over."""
        others, self._others = self._others, []
        return others

    def _keep(
        self, pair: Pair, kept: KeptPrediction | None, make: Callable[[], KeptPrediction]
    ) -> None:
        if not pair.differ or self._allowance.wait(1, time.monotonic()):
            return
        if kept is None:
            kept = make()
            kept.pair = pair
        if self._fits(kept):
            self._allowance.take(1)
            self._others.append(kept)
