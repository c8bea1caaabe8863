"""A report for programs: what ``--json`` prints and the webhook receives."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from models.manifest import Label
from monitor.accuracy.harm import HarmReport
from monitor.accuracy.labelled import AccuracyReport
from monitor.drift.alarm import AlarmVerdict
from monitor.drift.results import DriftReport
from monitor.findings import Findings
from monitor.frozen import Frozen
from monitor.quality.check import CheckName
from monitor.quality.quality import QualityReport
from monitor.report.advice import Step, steps
from records.reports import Kind, State
from records.windows import Record

_MAX_FAULTY = 20

# Indices into lists that only this process had; the predictions are listed by their ids instead.
_INDICES: dict[str, Any] = {
    "quality": {"checks": {"__all__": {"rows"}}},
    "drift": {"views": {"__all__": {"examples"}}, "examples": True},
    "harm": {"dissenting", "label_first"},
    "verdict": {"since", "changed"},
}


class ListedPrediction(Frozen):
    """A prediction that the report refers to; ``request_id`` as the client sent it."""

    request_id: str
    at: datetime
    prediction: Label | None
    confidence: float | None


class Document(Frozen):
    """The findings of one inspection.

    ``text``: all in one line, as chat programs show it; ``before``: the last reported state that
    was not unknown; ``since``: when the images began to differ, if they do; ``accuracy``: of
    labelled predictions since ``labels_since``; ``examples``, ``label_first`` and ``faulty``: the
    predictions that the reports refer to, the most telling first.
    """

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
    verdict: AlarmVerdict
    accuracy: AccuracyReport
    labels_since: datetime
    harm: HarmReport
    examples: tuple[ListedPrediction, ...]
    label_first: tuple[ListedPrediction, ...]
    faulty: dict[CheckName, tuple[ListedPrediction, ...]]
    todo: tuple[Step, ...]

    @classmethod
    def of(cls, findings: Findings, before: State | None = None) -> Self:
        data = findings.data
        tag = findings.monitored.version.tag
        text = f"{findings.state.upper()} {tag}: {findings.headline} {reason(findings)}".rstrip()
        return cls(
            text=text,
            model=findings.monitored.model,
            version=findings.monitored.version.version,
            at=findings.at,
            start=findings.start,
            end=findings.end,
            state=findings.state,
            before=before,
            states=findings.states,
            since=findings.since,
            headline=findings.headline,
            records=len(data.records),
            quality=findings.quality,
            drift=findings.drift,
            verdict=findings.verdict,
            accuracy=findings.accuracy,
            labels_since=findings.labels_since,
            harm=findings.harm,
            examples=_listed(data.record(index) for index in findings.drift.examples),
            label_first=_listed(data.record(index) for index in findings.harm.label_first),
            faulty={
                check.name: _listed(data.records[row] for row in check.rows[:_MAX_FAULTY])
                for check in findings.quality.checks
                if check.rows and check.state in ("warn", "alarm")
            },
            todo=steps(findings),
        )

    def json_text(self, indent: int | None = None) -> str:
        return self.model_dump_json(indent=indent, exclude=_INDICES)


def reason(findings: Findings) -> str:
    """The reasons of everything that is not calm; empty if all is."""
    reasons = []
    if findings.states["drift"] != "calm":
        reasons.append(findings.drift.reason)
    if findings.accuracy.state in ("warn", "alarm"):
        reasons.append(findings.accuracy.reason)
    if findings.harm_suspected:
        reasons.append(findings.harm.reason)
    if findings.states["quality"] in ("warn", "alarm"):
        reasons.append(findings.quality.reason)
    return " ".join(reasons)


def _listed(records: Iterable[Record]) -> tuple[ListedPrediction, ...]:
    return tuple(
        ListedPrediction(
            # JSON is UTF-8, which has no unpaired surrogates.
            request_id=record.request_id.encode(errors="backslashreplace").decode(),
            at=record.at,
            prediction=record.label,
            confidence=record.confidence,
        )
        for record in records
    )
