"""What there is to see at a moment: for the screen, the picture and the totals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from demo.event import Event
from demo.ledger import Ledger

FIRST, CURE, BAD = "first version", "retrained by the loop", "trained on wrong labels"
"""The versions of the demo, by what they are."""


@dataclass
class View:
    """``began``: by ``time.monotonic``; ``act``: what goes on;
    ``names``: of the versions; ``routing``: what ``GET /models`` says of the model; ``labels``: how
    many were sent, by why they were asked for."""

    began: float
    ledger: Ledger
    act: str = ""
    events: list[Event] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)

    def name(self, version: str) -> str:
        return self.names.get(version, version)

    @property
    def zero(self) -> float:
        """When the first request was sent; before any, when it began."""
        return self.ledger.answers[0].at if self.ledger.answers else self.began

    @property
    def length(self) -> float:
        """Seconds from the first request to the last; 1 where there are not two."""
        return max(1.0, self.ledger.answers[-1].at - self.zero) if self.ledger.answers else 1.0

    def after(self, event: Event) -> float:
        """Seconds from the beginning to the event."""
        return event.at - self.began

    def first(self, mark: str) -> Event | None:
        return next((one for one in self.events if one.mark == mark), None)

    def marked(self) -> Sequence[Event]:
        """For the picture: of each mark the first."""
        found: dict[str, Event] = {}
        for one in sorted(self.events, key=lambda one: one.at):
            if one.mark:
                found.setdefault(one.mark, one)
        return list(found.values())
