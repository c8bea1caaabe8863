"""The windows that were inspected before, as their reports in the database describe them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from records.reports import ReportRow, State


@dataclass(frozen=True)
class PastWindow:
    """One window of a version.

    ``evidence``: the p-value that the alarm rule uses, None for a window that could not be
    compared; ``extensible``: whether it could have been with more images; ``version``: the one that
    it was compared with.
    """

    start: datetime
    end: datetime
    images: int
    state: State
    evidence: float | None
    extensible: bool = False
    version: str = ""


class _DriftBody(BaseModel):
    """What later windows need of a stored drift report, written by an older or newer Pupila."""

    evidence: float | None
    images: int


def past_windows(rows: Sequence[ReportRow], minimum: int) -> list[PastWindow]:
    """The windows of a version's drift reports, oldest first; ``minimum``: images that a window
    needs. Reports that cannot be read are skipped."""
    windows = []
    for row in sorted(rows, key=lambda row: row.id or 0):
        if row.window_start is None or row.window_end is None:
            continue
        try:
            body = _DriftBody.model_validate_json(row.body)
        except ValidationError:
            continue
        windows.append(
            PastWindow(
                start=row.window_start,
                end=row.window_end,
                images=row.images,
                state=row.state,
                evidence=body.evidence,
                extensible=body.evidence is None and body.images < minimum,
                version=row.version,
            )
        )
    return windows


def inherited(windows: Sequence[PastWindow], version: str) -> list[PastWindow]:
    """The windows of the version and, from before its first, those of the one that it replaced.

    An alarm is about the images, which do not become as before because another version answers:
    it lasts until windows of the new version, compared with its own reference, are calm.
    """
    own = [window for window in windows if window.version == version]
    first = min((window.start for window in own), default=None)
    others = [window for window in windows if window.version != version]
    before = [window for window in others if first is None or window.end <= first]
    if not before:
        return own
    replaced = max(before, key=lambda window: window.end).version
    return [window for window in before if window.version == replaced] + own


def preceding(windows: Sequence[PastWindow], start: datetime) -> list[PastWindow]:
    """The windows that ended by ``start`` and do not overlap, oldest first.

    To the alarm rule, the same images inspected twice would be two windows. Of two that overlap the
    later one counts, and of two with the same end the one that was reported last.
    """
    chosen: list[PastWindow] = []
    newest_first = sorted(enumerate(windows), key=lambda pair: (pair[1].end, pair[0]))[::-1]
    for _, window in newest_first:
        if window.end <= start:
            chosen.insert(0, window)
            start = window.start
    return chosen


def body_of(row: ReportRow) -> dict[str, Any]:
    """The body of a stored report; empty if it cannot be read."""
    try:
        body = json.loads(row.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def reason_of(row: ReportRow) -> str:
    """The reason for the report's state, in one sentence."""
    body = body_of(row)
    if row.kind == "accuracy":
        # It holds two reports, of which one determines the state.
        parts = [body.get(name) or {} for name in ("accuracy", "harm")]
        body = next((part for part in parts if part.get("state") == row.state), parts[0])
    return str(body.get("reason", ""))


def row_as_json(row: ReportRow) -> dict[str, Any]:
    """What ``history --json`` prints of a stored report; ``report`` is its body."""
    return {
        "at": row.at.isoformat(),
        "model": row.model,
        "version": row.version,
        "kind": row.kind,
        "start": row.window_start.isoformat() if row.window_start else None,
        "end": row.window_end.isoformat() if row.window_end else None,
        "images": row.images,
        "state": row.state,
        "p_value": row.p_value,
        "reason": reason_of(row),
        "report": body_of(row),
    }
