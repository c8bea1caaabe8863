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
    routing: Mapping[str, object] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)

    def name(self, version: str) -> str:
        return self.names.get(version, version)

    def after(self, event: Event) -> float:
        """Seconds from the beginning to the event."""
        return event.at - self.began

    def first(self, mark: str) -> Event | None:
        return next((one for one in self.events if one.mark == mark), None)

    def marked(self) -> Sequence[Event]:
        """For the picture: of each mark the first; of the rollouts, all."""
        seen: set[str] = set()
        found = []
        for one in sorted(self.events, key=lambda one: one.at):
            if one.mark and (one.mark not in seen or one.kind in ("rollout", "good")):
                seen.add(one.mark)
                found.append(one)
        return found
