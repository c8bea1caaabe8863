"""When drift is worth somebody's attention: a rule over the last windows, not over one."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from monitor.phrasing import describe_p_value
from records.reports import State


class Verdict(BaseModel):
    """What the rule says after the last window, and why.

    ``since``: the place in the history of the window with which the state began, not counting
    windows without enough data; ``found``: the places of the windows that speak for a change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State
    reason: str
    since: int
    found: tuple[int, ...] = ()


class AlarmRule(BaseModel):
    """Alarm when ``needed`` of the last ``windows`` windows have a p-value below ``alarm``; warn
    when the last alone has one below ``warn``.

    0.0027 is the share of a normal distribution beyond three standard deviations, the limits of
    Shewhart's control charts; several of the last windows beyond a lower limit is an idea of the
    Western Electric rules (Statistical Quality Control Handbook, 1956). The lower one is measured:
    of 100 months of hourly windows of 72 digits against a reference of 360, 90 had one false alarm
    at most with 0.02, and 99 with 0.01; see ``bench/drift.md``.

    The p-values are ``DriftReport.evidence``: 1 where no view's effect is large enough. None stands
    for a window with too few images, which says nothing: the windows before and after it are next
    to each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    warn: float = Field(default=0.0027, gt=0, lt=1)
    alarm: float = Field(default=0.01, gt=0, lt=1)
    windows: int = Field(default=3, ge=1)
    needed: int = Field(default=2, ge=1)

    def judge(self, history: Sequence[float | None]) -> Verdict:
        """The verdict on the last of ``history``, p-values of all windows, the oldest first.

        The state depends on the last ``windows`` alone; what is before them only says since when.
        """
        if not history:
            return Verdict(state="unknown", reason="No window has been looked at yet.", since=0)
        last = len(history) - 1
        if history[last] is None:
            return Verdict(
                state="unknown", reason="The last window has too few images to tell.", since=last
            )
        known = [place for place, p_value in enumerate(history) if p_value is not None]
        values = [p_value for p_value in history if p_value is not None]
        states = [self._state(values[: end + 1]) for end in range(len(values))]
        state = states[-1]
        first = next((i for i in range(len(states) - 1, 0, -1) if states[i - 1] != state), 0)
        recent = values[-self.windows :]
        limit = self.warn if state == "warn" else self.alarm
        found = tuple(
            place
            for place, p_value in zip(known[-len(recent) :], recent, strict=True)
            if p_value < limit
        )
        reason = self._reason(state, recent, len(states) - first)
        return Verdict(state=state, reason=reason, since=known[first], found=found)

    def _state(self, values: Sequence[float]) -> State:
        if sum(p_value < self.alarm for p_value in values[-self.windows :]) >= self.needed:
            return "alarm"
        return "warn" if values[-1] < self.warn else "calm"

    def _reason(self, state: State, recent: Sequence[float], lasted: int) -> str:
        count = sum(p_value < self.alarm for p_value in recent)
        several = "the first window" if len(recent) == 1 else f"the last {len(recent)} windows"
        if state == "alarm":
            return (
                f"{count} of {several} have p below {self.alarm:g} with an effect that is large "
                f"enough, and {self.needed} make an alarm; it has lasted for {_windows(lasted)}."
            )
        if state == "warn":
            return (
                f"The last window has {describe_p_value(recent[-1])}, below {self.warn:g}, with an "
                f"effect that is large enough; {self.needed} of {self.windows} windows below "
                f"{self.alarm:g} make an alarm."
            )
        if count:
            return (
                f"{count} of {several} has p below {self.alarm:g}, and an alarm needs "
                f"{self.needed} of {self.windows}."
            )
        who = "The first window has no" if len(recent) == 1 else f"None of {several} has"
        return f"{who} p below {self.alarm:g} with an effect that is large enough."


def _windows(count: int) -> str:
    return "1 window" if count == 1 else f"{count} windows"
