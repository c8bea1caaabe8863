"""A report for programs: what ``--json`` prints and the webhook gets."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from models.manifest import Label
from monitor.accuracy.harm import HarmReport
from monitor.accuracy.labelled import AccuracyReport
from monitor.drift.alarm import Verdict
from monitor.drift.report import DriftReport
from monitor.findings import Findings
from monitor.quality.check import CheckName
from monitor.quality.quality import QualityReport
from monitor.report.advice import Step, steps
from records.reports import Kind, State
from records.windows import Record

_NAMED = 20

# Places in a list that only this process had; ``requests`` below has their ids.
_PLACES: dict[str, Any] = {
    "quality": {"checks": {"__all__": {"rows"}}},
    "drift": {"views": {"__all__": {"examples"}}, "examples": True},
    "harm": {"dissenting", "label_first"},
    "verdict": {"since", "found"},
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Request(_Frozen):
    """A prediction that the report means; ``request_id`` as the client sent it."""

    request_id: str
    at: datetime
    prediction: Label | None
    confidence: float | None


class Document(_Frozen):
    """``text`` is the whole in one line, as chat programs show it. ``before``: the last state that
    was reported before this one and was not unknown. ``since``: when the images began to differ, if
    they do. ``accuracy`` is of labelled predictions from ``labels_since`` on. ``examples``,
    ``label_first`` and ``faulty``: what the reports mean, the most telling first."""

    text: str
    model: str
    version: str
    at: datetime
    start: datetime
    end: datetime
    state: State
    before: State | None
    states: dict[Kind, State]
    since: datetime | None
    headline: str
    records: int
    quality: QualityReport
    drift: DriftReport
    verdict: Verdict
    accuracy: AccuracyReport
    labels_since: datetime
    harm: HarmReport
    examples: tuple[Request, ...]
    label_first: tuple[Request, ...]
    faulty: dict[CheckName, tuple[Request, ...]]
    todo: tuple[Step, ...]

    def json_text(self, indent: int | None = None) -> str:
        return self.model_dump_json(indent=indent, exclude=_PLACES)


def document(findings: Findings, before: State | None = None) -> Document:
    """The document of one look."""
    gathered = findings.gathered
    name = findings.subject.version.tag
    images = [gathered.record(place) for place in findings.harm.label_first]
    return Document(
        text=f"{findings.state.upper()} {name}: {findings.headline} {reason(findings)}".rstrip(),
        model=findings.subject.model,
        version=findings.subject.version.version,
        at=findings.at,
        start=findings.start,
        end=findings.end,
        state=findings.state,
        before=before,
        states=findings.states,
        since=findings.since,
        headline=findings.headline,
        records=len(gathered.records),
        quality=findings.quality,
        drift=findings.drift,
        verdict=findings.verdict,
        accuracy=findings.accuracy,
        labels_since=findings.labels_since,
        harm=findings.harm,
        examples=_requests(gathered.record(place) for place in findings.drift.examples),
        label_first=_requests(images),
        faulty={
            one.name: _requests(gathered.records[row] for row in one.rows[:_NAMED])
            for one in findings.quality.checks
            if one.rows and one.state in ("warn", "alarm")
        },
        todo=steps(findings),
    )


def reason(findings: Findings) -> str:
    """What those say that are not calm; nothing if all are."""
    said = []
    if findings.states["drift"] != "calm":
        said.append(findings.drift.reason)
    if findings.accuracy.state in ("warn", "alarm"):
        said.append(findings.accuracy.reason)
    if findings.harm.suspected and not findings.judged_by_labels:
        said.append(findings.harm.reason)
    if findings.states["quality"] in ("warn", "alarm"):
        said.append(findings.quality.reason)
    return " ".join(said)


def _requests(records: Iterable[Record]) -> tuple[Request, ...]:
    return tuple(
        Request(
            # JSON is UTF-8, and has no half of a UTF-16 pair.
            request_id=one.request_id.encode(errors="backslashreplace").decode(),
            at=one.at,
            prediction=one.label,
            confidence=one.confidence,
        )
        for one in records
    )
