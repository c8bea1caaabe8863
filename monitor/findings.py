"""Everything that the inspection of one window found, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cli import counted
from monitor.accuracy.harm import HarmReport
from monitor.accuracy.labelled import LABELS_BACK, RECENT, AccuracyReport
from monitor.drift.alarm import AlarmVerdict
from monitor.drift.results import DriftReport
from monitor.familiar import FamiliarReport
from monitor.phrasing import capitalized, enumerated
from monitor.quality.quality import QualityReport
from monitor.window.data import WindowData
from monitor.window.history import PastWindow
from monitor.window.version import MonitoredVersion
from records.reports import Kind, State

KINDS: tuple[Kind, ...] = ("drift", "accuracy", "quality")
"""In the order in which a person asks."""


@dataclass(frozen=True, eq=False)
class Findings:
    """One window of one version.

    ``verdict``: of the alarm rule, over ``windows``, of which this is the last; ``accuracy``: of
    the labelled predictions since ``labels_since``, which can be before the window; ``asked``:
    labels of images drawn at random that were asked for, and have not come.
    """

    monitored: MonitoredVersion
    at: datetime
    start: datetime
    end: datetime
    data: WindowData
    quality: QualityReport
    drift: DriftReport
    verdict: AlarmVerdict
    windows: Sequence[PastWindow]
    accuracy: AccuracyReport
    labels_since: datetime
    harm: HarmReport
    familiar: FamiliarReport
    asked: int = 0

    @cached_property
    def states(self) -> dict[Kind, State]:
        return {
            "drift": self.verdict.state,
            "accuracy": self._accuracy_state(),
            "quality": self.quality.state,
        }

    @property
    def state(self) -> State:
        """The worst; if nothing is wrong, whether the window could be compared at all."""
        worst: tuple[State, State] = ("alarm", "warn")
        for state in worst:
            if state in self.states.values():
                return state
        return self.states["drift"]

    @property
    def _began(self) -> PastWindow | None:
        """The first window that makes the images count as changed; None if they do not."""
        if self.verdict.state not in ("warn", "alarm"):
            return None
        indices = (self.verdict.since, *self.verdict.changed)
        return min((self.windows[index] for index in indices), key=lambda past: past.start)

    @property
    def since(self) -> datetime | None:
        """When that window started."""
        return None if self._began is None else self._began.start

    @property
    def inherited(self) -> str | None:
        """The version that answered when the images began to count as changed, if it was another
        one."""
        began, own = self._began, self.monitored.version.version
        return None if began is None or began.version == own else began.version

    @property
    def others(self) -> dict[str, int]:
        """How many of the window's predictions other versions made, whose images count too."""
        own = self.monitored.version.version
        return {name: many for name, many in self.data.answered.items() if name != own}

    @property
    def judged_by_labels(self) -> bool:
        """Whether labels of this window itself determine the accuracy."""
        return self.accuracy.state != "unknown" and self.labels_since >= self.start

    @property
    def harm_suspected(self) -> bool:
        """Whether the half-data copies suggest a drop in accuracy that labels have not settled."""
        return self.harm.suspected and not self.judged_by_labels

    @property
    def headline(self) -> str:
        """One sentence."""
        problems = [text for state, text in self._problems() if state in ("warn", "alarm")]
        if problems:
            return f"{capitalized(enumerated(problems))}."
        if self.state == "unknown":
            return "Not enough data."
        if self.states["accuracy"] == "unknown":
            return "No problems found, but the accuracy is unknown."
        return "No problems found."

    @property
    def without_labels(self) -> str:
        """A sentence if nobody has labelled images lately; else empty."""
        newest = self.accuracy.newest
        if newest is not None and self.end - newest <= RECENT:
            return ""
        days = LABELS_BACK.days if newest is None else (self.end - newest).days
        waiting = ""
        if self.asked:
            waiting = f" {counted(self.asked, 'image')} drawn at random wait for a label."
        return f"Nobody has labelled images of the last {days} days.{waiting}"

    def _problems(self) -> list[tuple[State, str]]:
        drift = self.verdict.state
        changed = "have changed" if drift == "alarm" else "look different in this window only"
        accuracy = self.accuracy.state
        dropped = "may have dropped"
        if accuracy == "alarm":
            dropped = "has dropped"
        elif self.harm_suspected:
            dropped = "is suspected to have dropped"
        faulty = "are faulty" if self.quality.state == "alarm" else "may be faulty"
        return [
            (drift, f"the images {changed}"),
            ("alarm" if self.harm_suspected else accuracy, f"accuracy {dropped}"),
            (self.quality.state, f"some images or labels {faulty}"),
        ]

    def _accuracy_state(self) -> State:
        """Labels of the window decide. Earlier ones cannot clear a suspicion, and without any
        lately, or where the images have changed since, nobody knows: shifts of a part of the images
        cost ten points of accuracy without a suspicion."""
        if self.judged_by_labels or self.harm.suspected:
            return self.accuracy.state if self.judged_by_labels else "alarm"
        if self.accuracy.state in ("warn", "alarm"):
            return self.accuracy.state
        newest = self.accuracy.newest
        lately = newest is not None and self.end - newest <= RECENT
        return self.accuracy.state if lately and self.since is None else "unknown"
