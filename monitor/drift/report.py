"""What a comparison of a window with the reference found, for programs and for people."""

from itertools import zip_longest
from typing import Self

from pydantic import BaseModel, ConfigDict

from models.manifest import Label
from monitor.drift.views import EXAMPLES
from monitor.phrasing import describe_p_value
from records.reports import State

_SAID = 3  # of the views, in the reason


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ViewResult(_Frozen):
    """What one view found. ``adjusted``: its p-value by Holm; ``examples``: rows of the window that
    show it most; ``minimum``: of the effect, for an alarm; ``unit``: what the effect is."""

    name: str
    p_value: float
    adjusted: float
    effect: float
    minimum: float
    unit: str
    words: str
    examples: tuple[int, ...]

    @property
    def large(self) -> bool:
        """Whether the effect is large enough for an alarm."""
        return self.effect >= self.minimum


class ClassChange(_Frozen):
    """How often a class is predicted, as shares of the images."""

    label: Label
    reference: float
    window: float
    words: str


class DriftReport(_Frozen):
    """One window beside the reference.

    ``state`` is of this window alone, never an alarm: ``monitor.drift.alarm`` has the rule over
    several.
    ``p_value``: of all views by Holm; ``evidence``: of those alone whose effect is large enough, 1
    if none is: what the rule goes by. Both are None if the state is unknown. ``threshold``: of an
    adjusted p-value, below which a view has changed. ``given``: images of the window; ``images``:
    of them, those looked at; ``reference``: images of the reference. ``classes``: the most changed
    first; ``examples``: rows of the window.
    """

    state: State
    p_value: float | None
    evidence: float | None
    threshold: float
    reason: str
    given: int
    images: int
    reference: int
    views: tuple[ViewResult, ...] = ()
    classes: tuple[ClassChange, ...] = ()
    examples: tuple[int, ...] = ()

    @property
    def changed(self) -> tuple[ViewResult, ...]:
        """The views that have changed by enough to matter, the surest first."""
        found = (one for one in self.views if one.adjusted < self.threshold and one.large)
        return tuple(sorted(found, key=lambda one: (one.adjusted, -one.effect)))

    def explained(self) -> Self:
        """With the reason and the examples that follow from the views."""
        mixed = zip_longest(*(one.examples for one in self.changed))
        rows = dict.fromkeys(row for turn in mixed for row in turn if row is not None)
        return self.model_copy(update={"reason": _reason(self), "examples": tuple(rows)[:EXAMPLES]})


def _reason(report: DriftReport) -> str:
    if report.changed:
        said = "; ".join(one.words for one in report.changed[:_SAID])
        if report.state == "calm":
            return f"Perhaps by chance ({describe_p_value(report.evidence or 0.0)}): {said}."
        return f"{said[0].upper()}{said[1:]}."
    best = min(report.views, key=lambda one: one.adjusted)
    if best.adjusted < report.threshold:
        return (
            f"A change too small to matter: {best.words} "
            f"(effect {best.effect:.2f}, and {best.minimum:g} would count)."
        )
    return "The images and what the model says of them are as in the reference."
