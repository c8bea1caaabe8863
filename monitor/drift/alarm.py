"""When drift deserves attention: a rule over the last windows, not over one."""

from collections.abc import Sequence

from pydantic import Field

from monitor.frozen import Frozen
from monitor.phrasing import describe_p_value
from records.reports import State


class AlarmVerdict(Frozen):
    """The state after the last window, and why.

    ``since``: index of the window with which the state began, ignoring windows that could not be
    compared; ``changed``: indices of the windows that are evidence of a change.
    """

    state: State
    reason: str
    since: int
    changed: tuple[int, ...] = ()


class AlarmRule(Frozen):
    """Alarm when ``needed`` of the last ``windows`` windows have a p-value below ``alarm``; warn
    when the last window alone has one below ``warn``.

    0.0027 is the proportion of a normal distribution beyond three standard deviations, the limits
    of Shewhart's control charts; several of the last windows beyond a lower limit is an idea of the
    Western Electric rules (Statistical Quality Control Handbook, 1956). The alarm limit is
    measured: of 100 months of hourly windows of 72 digits against a reference of 360, 90 had one
    false alarm at most with 0.02, and 99 with 0.01; see ``bench/drift.md``.

    The p-values are ``DriftReport.evidence``: 1 where no view's effect is large enough. None stands
    for a window that could not be compared. Such windows are ignored: those before and after it are
    treated as consecutive.
    """

    warn: float = Field(default=0.0027, gt=0, lt=1)
    alarm: float = Field(default=0.01, gt=0, lt=1)
    windows: int = Field(default=3, ge=1)
    needed: int = Field(default=2, ge=1)

    def judge(self, history: Sequence[float | None]) -> AlarmVerdict:
        """The verdict on the last of ``history``, the p-values of all windows, oldest first.

        The state depends on the last ``windows`` alone; earlier ones only determine since when.
        """
        if not history:
            return AlarmVerdict(
                state="unknown", reason="No window has been inspected yet.", since=0
            )
        last = len(history) - 1
        if history[last] is None:
            return AlarmVerdict(
                state="unknown",
                reason="The latest window could not be compared with the reference.",
                since=last,
            )
        known = [index for index, p_value in enumerate(history) if p_value is not None]
        values = [p_value for p_value in history if p_value is not None]
        states = [self._state(values[: end + 1]) for end in range(len(values))]
        state = states[-1]
        first = next((i for i in range(len(states) - 1, 0, -1) if states[i - 1] != state), 0)
        recent = values[-self.windows :]
        limit = self.warn if state == "warn" else self.alarm
        changed = tuple(
            index
            for index, p_value in zip(known[-len(recent) :], recent, strict=True)
            if p_value < limit
        )
        reason = self._reason(state, recent, len(states) - first)
        return AlarmVerdict(state=state, reason=reason, since=known[first], changed=changed)

    def _state(self, values: Sequence[float]) -> State:
        if sum(p_value < self.alarm for p_value in values[-self.windows :]) >= self.needed:
            return "alarm"
        return "warn" if values[-1] < self.warn else "calm"

    def _reason(self, state: State, recent: Sequence[float], duration: int) -> str:
        count = sum(p_value < self.alarm for p_value in recent)
        several = "the first window" if len(recent) == 1 else f"the last {len(recent)} windows"
        limit = f"p < {self.alarm:g}"
        if state == "alarm":
            return (
                f"{count} of {several} have {limit} with an effect above the minimum, and it takes "
                f"{self.needed} to raise an alarm. The alarm has lasted {_windows(duration)}."
            )
        if state == "warn":
            return (
                f"The latest window has {describe_p_value(recent[-1])}, below the warning limit of "
                f"{self.warn:g}, with an effect above the minimum; {self.needed} of "
                f"{self.windows} windows with {limit} raise an alarm."
            )
        if count:
            return (
                f"{count} of {several} has {limit}; it takes {self.needed} of {self.windows} to "
                "raise an alarm."
            )
        subject = "The first window does not have" if len(recent) == 1 else f"None of {several} has"
        return f"{subject} {limit} with an effect above the minimum."


def _windows(count: int) -> str:
    return "1 window" if count == 1 else f"{count} windows"
