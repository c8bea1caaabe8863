"""The windows before this one, as their reports in the database tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ValidationError

from records.reports import ReportRow, State


@dataclass(frozen=True)
class PastWindow:
    """One window of a version. ``evidence``: what the alarm rule goes by, None where there were
    too few images; ``grows``: whether more of them would have told."""

    start: datetime
    end: datetime
    images: int
    state: State
    evidence: float | None
    grows: bool = False


class _Told(BaseModel):
    """Of a drift report, what matters later; a newer Pupila may say more."""

    evidence: float | None
    images: int


def past(rows: Sequence[ReportRow], least: int) -> list[PastWindow]:
    """The windows of drift reports on one version, the oldest first; ``least``: images that a
    window needs. A report that cannot be read is passed over."""
    found = []
    for row in sorted(rows, key=lambda row: row.id or 0):
        if row.window_start is None or row.window_end is None:
            continue
        try:
            told = _Told.model_validate_json(row.body)
        except ValidationError:
            continue
        grows = told.evidence is None and told.images < least
        found.append(
            PastWindow(
                row.window_start, row.window_end, row.images, row.state, told.evidence, grows
            )
        )
    return found


def before(windows: Sequence[PastWindow], start: datetime) -> list[PastWindow]:
    """Of the windows those that ended by ``start`` and do not overlap, the oldest first.

    The same images looked at twice would be two windows to the alarm rule. Of two that overlap the
    later one counts, and of two with the same end the one that was reported last.
    """
    found: list[PastWindow] = []
    for _, one in sorted(enumerate(windows), key=lambda pair: (pair[1].end, pair[0]))[::-1]:
        if one.end <= start:
            found.insert(0, one)
            start = one.start
    return found
