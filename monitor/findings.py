"""Everything that one look at a window found, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from monitor.accuracy.harm import HarmReport
from monitor.accuracy.labelled import AccuracyReport
from monitor.drift.alarm import Verdict
from monitor.drift.report import DriftReport
from monitor.quality.quality import QualityReport
from monitor.window.gathering import Gathered
from monitor.window.past import PastWindow
from monitor.window.version import MonitoredVersion
from records.reports import Kind, State

KINDS: tuple[Kind, ...] = ("drift", "accuracy", "quality")
"""In the order in which a person asks."""


@dataclass(frozen=True, eq=False)
class Findings:
    """One window of one version.

    ``verdict``: of the alarm rule, over ``windows``, of which this is the last; ``accuracy`` is of
    the labelled predictions from ``labels_since`` on, which may be before the window.
    """

    subject: MonitoredVersion
    at: datetime
    start: datetime
    end: datetime
    gathered: Gathered
    quality: QualityReport
    drift: DriftReport
    verdict: Verdict
    windows: Sequence[PastWindow]
    accuracy: AccuracyReport
    labels_since: datetime
    harm: HarmReport

    @cached_property
    def states(self) -> dict[Kind, State]:
        return {
            "drift": self.verdict.state,
            "accuracy": self._accuracy_state(),
            "quality": self.quality.state,
        }

    @property
    def state(self) -> State:
        """The worst; without that, whether the window could be compared at all."""
        worst: tuple[State, State] = ("alarm", "warn")
        for state in worst:
            if state in self.states.values():
                return state
        return self.states["drift"]

    @property
    def since(self) -> datetime | None:
        """When the first window began that makes the images count as changed; None if they do
        not."""
        if self.verdict.state not in ("warn", "alarm"):
            return None
        return min(self.windows[place].start for place in (self.verdict.since, *self.verdict.found))

    @property
    def judged_by_labels(self) -> bool:
        """Whether the labels say how right the model is, in this window itself."""
        return self.accuracy.state != "unknown" and self.labels_since >= self.start

    @property
    def headline(self) -> str:
        """One sentence."""
        parts = [words for state, words in self._said() if state in ("warn", "alarm")]
        if parts:
            text = ", ".join(parts[:-1]) + (" and " if parts[1:] else "") + parts[-1]
            return f"{text[0].upper()}{text[1:]}."
        if self.state == "unknown":
            return "There is not enough data to tell."
        return "Nothing has changed that matters."

    def _said(self) -> list[tuple[State, str]]:
        drift = self.verdict.state
        changed = "have changed" if drift == "alarm" else "look changed in this window alone"
        accuracy = self.accuracy.state
        suspected = self.harm.suspected and not self.judged_by_labels
        worse = "may have become worse"
        if accuracy == "alarm":
            worse = "has become worse"
        elif suspected:
            worse = "is suspected to have become worse"
        faulty = "have faults" if self.quality.state == "alarm" else "may have faults"
        return [
            (drift, f"the images {changed}"),
            ("alarm" if suspected else accuracy, f"the model {worse}"),
            (self.quality.state, f"some images or labels {faulty}"),
        ]

    def _accuracy_state(self) -> State:
        """What labels of the window say counts; older ones cannot take a suspicion away, and that
        there is none means little where the images have changed."""
        if self.judged_by_labels or self.harm.suspected:
            return self.accuracy.state if self.judged_by_labels else "alarm"
        if self.accuracy.state in ("warn", "alarm"):
            return self.accuracy.state
        if self.since is not None:
            return "unknown"
        return self.harm.state if self.accuracy.state == "unknown" else self.accuracy.state
