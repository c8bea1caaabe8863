"""What came of it: the figures, and whether what was promised came true."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from demo.ledger import accuracy
from demo.view import BAD, View

RECOVERED: Final = 0.8
"""Of the accuracy that was lost, at least so much comes back."""


@dataclass(frozen=True)
class Promise:
    text: str
    kept: bool


@dataclass(frozen=True)
class Totals:
    """Accuracies as proportions: ``before`` the camera moved; ``worst``: from the moment that it
    had moved until a challenger answered; ``after`` the promotion, on digits that no version has
    seen. ``recovered``: the part of the loss that came back. ``harmed``: answers of the bad version
    that clients got."""

    requests: int
    failed: int
    before: float | None
    worst: float | None
    after: float | None
    labels: int
    promoted: bool
    rolled_back: bool
    harmed: int
    seconds: float

    @property
    def recovered(self) -> float | None:
        if self.before is None or self.worst is None or self.after is None:
            return None
        lost = self.before - self.worst
        return (self.after - self.worst) / lost if lost > 0 else None

    @property
    def promises(self) -> tuple[Promise, ...]:
        share = "nothing" if self.recovered is None else f"{self.recovered:.0%}"
        return (
            Promise("the loop retrained the model and promoted it", self.promoted),
            Promise(
                f"{share} of the lost accuracy came back, of {RECOVERED:.0%} promised",
                self.recovered is not None and self.recovered >= RECOVERED,
            ),
            Promise("the guard rolled the bad version back", self.rolled_back),
            Promise(f"failed requests: {self.failed:,}", not self.failed),
        )

    @property
    def kept(self) -> bool:
        return all(one.kept for one in self.promises)

    def line(self) -> str:
        """One line of all of it."""
        share = "none" if self.recovered is None else f"{self.recovered:.0%}"
        return (
            f"{self.requests:,} requests in {self.seconds:.0f} s, {self.labels:,} labels; accuracy "
            f"{_percent(self.before)}, {_percent(self.worst)} at its worst, {_percent(self.after)} "
            f"after the promotion: {share} of the loss recovered; {self.harmed:,} answers of the "
            f"bad version; failed requests: {self.failed:,}"
        )

    def json(self) -> str:
        return json.dumps(asdict(self) | {"recovered": self.recovered, "kept": self.kept}, indent=2)


def totals(view: View, seconds: float) -> Totals:
    ledger = view.ledger
    promoted, back = view.first("promoted"), view.first("rolled back")
    canary = next((one for one in view.marked() if one.mark.endswith("%")), None)
    shift = view.first("shift")
    end = canary.at if canary is not None else float("inf")
    return Totals(
        requests=len(ledger.answers),
        failed=ledger.failed,
        before=accuracy(ledger.where(lambda one: shift is None or one.at < shift.at)),
        worst=accuracy(ledger.where(lambda one: one.moved == 1 and one.at < end)),
        after=accuracy(ledger.where(lambda one: one.fresh)),
        labels=sum(view.labels.values()),
        promoted=promoted is not None,
        rolled_back=back is not None,
        harmed=len(ledger.where(lambda one: view.name(one.version) == BAD)),
        seconds=seconds,
    )


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
