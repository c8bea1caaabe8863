"""The result of comparing a window with the reference, for programs and for people."""

from itertools import zip_longest
from typing import Self

from models.manifest import Label
from monitor.drift.views import EXAMPLES
from monitor.frozen import Frozen
from monitor.phrasing import capitalized, describe_p_value
from records.reports import State

_VIEWS_IN_REASON = 3


class ViewResult(Frozen):
    """One view's comparison. ``adjusted``: its p-value after Holm's correction; ``minimum``: the
    effect that an alarm needs; ``unit``: what the effect measures; ``words``: a sentence about the
    change; ``examples``: rows of the window that show it most."""

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


class ClassChange(Frozen):
    """How often a class is predicted, as proportions of the images."""

    label: Label
    reference: float
    window: float
    words: str


class DriftReport(Frozen):
    """One window compared with the reference.

    ``state`` is about this window alone and never an alarm: ``monitor.drift.alarm`` has the rule
    over several. ``p_value``: of all views, after Holm's correction; ``evidence``: of those whose
    effect is large enough, 1 if none is; the alarm rule uses it. Both are None if the state is
    unknown. ``threshold``: the adjusted p-value below which a view has changed. ``given``: images
    of the window, of which ``images`` were compared with ``reference`` images; ``searched``: as
    many, older versions looked at more for unusual ones. ``classes``: the most changed first;
    ``examples``: rows of the window.
    """

    state: State
    p_value: float | None
    evidence: float | None
    threshold: float
    reason: str
    given: int
    images: int
    reference: int
    searched: int = 0
    views: tuple[ViewResult, ...] = ()
    classes: tuple[ClassChange, ...] = ()
    examples: tuple[int, ...] = ()

    @property
    def changed(self) -> tuple[ViewResult, ...]:
        """The views that changed with a large enough effect, the most certain first."""
        changed = (view for view in self.views if view.adjusted < self.threshold and view.large)
        return tuple(sorted(changed, key=lambda view: (view.adjusted, -view.effect)))

    @property
    def compared(self) -> str:
        """A sentence if not all of the window's images were compared; else empty."""
        if self.evidence is None or self.images == self.given:
            return ""
        return (
            f"Compared: {self.images:,} of the window's {self.given:,} images, with "
            f"{self.reference:,} of the reference."
        )

    def explained(self) -> Self:
        """With the reason and the examples that follow from the views."""
        turns = zip_longest(*(view.examples for view in self.changed))
        rows = dict.fromkeys(row for turn in turns for row in turn if row is not None)
        reason = " ".join(filter(None, (_reason(self), self.compared)))
        return self.model_copy(update={"reason": reason, "examples": tuple(rows)[:EXAMPLES]})


def _reason(report: DriftReport) -> str:
    if report.changed:
        summary = "; ".join(view.words for view in report.changed[:_VIEWS_IN_REASON])
        if report.state == "calm":
            return f"Possibly by chance ({describe_p_value(report.evidence or 0.0)}): {summary}."
        return f"{capitalized(summary)}."
    best = min(report.views, key=lambda view: view.adjusted)
    if best.adjusted < report.threshold:
        return (
            f"A change too small to matter: {best.words} "
            f"(effect size {best.effect:.2f}, minimum {best.minimum:g})."
        )
    return "The images and the model's predictions match the reference."
