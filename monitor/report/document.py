"""A report for programs: what ``--json`` prints and the webhook receives."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Self

from cli import counted
from models.manifest import Label
from monitor.accuracy.harm import HarmReport
from monitor.accuracy.labelled import AccuracyReport
from monitor.drift.alarm import AlarmVerdict
from monitor.drift.results import DriftReport
from monitor.familiar import FamiliarReport
from monitor.findings import Findings
from monitor.frozen import Frozen
from monitor.phrasing import enumerated
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
    labelled predictions since ``labels_since``; ``without_labels``: a sentence if nobody has
    labelled images lately, else empty; ``asked``: labels of images drawn at random that were asked
    for and have not come; ``records``: looked at, of those ``recorded``, and
    how many of the latter each version ``answered``; ``inherited``: the version that answered when
    the images began to differ, if it was another one; ``looked_at``: a sentence if that was not
    all, or not this version's alone, else empty; ``familiar``: images that are not known, and
    answers that were null; ``examples``, ``label_first`` and ``faulty``: the
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
    recorded: int
    answered: dict[str, int]
    inherited: str | None
    looked_at: str
    quality: QualityReport
    drift: DriftReport
    verdict: AlarmVerdict
    accuracy: AccuracyReport
    labels_since: datetime
    without_labels: str = ""
    asked: int = 0
    harm: HarmReport
    familiar: FamiliarReport
    examples: tuple[ListedPrediction, ...]
    label_first: tuple[ListedPrediction, ...]
    faulty: dict[CheckName, tuple[ListedPrediction, ...]]
    todo: tuple[Step, ...]

    @classmethod
    def of(cls, findings: Findings, before: State | None = None) -> Self:
        data = findings.data
        tag = findings.monitored.version.tag
        scope = " ".join(looked_at(findings))
        known = reason(findings)
        # The reason for a drift says it already.
        more = "" if findings.states["drift"] != "calm" else scope
        parts = (f"{findings.state.upper()} {tag}: {findings.headline}", known, more)
        text = " ".join(filter(None, parts))
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
            recorded=data.total,
            answered=dict(data.answered),
            inherited=findings.inherited,
            looked_at=scope,
            quality=findings.quality,
            drift=findings.drift,
            verdict=findings.verdict,
            accuracy=findings.accuracy,
            labels_since=findings.labels_since,
            without_labels=findings.without_labels,
            asked=findings.asked,
            harm=findings.harm,
            familiar=findings.familiar,
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
    """The reasons of everything that is not calm, and that there are no labels; empty if all is."""
    reasons = []
    if findings.states["drift"] != "calm":
        reasons.append(findings.drift.reason)
        reasons += context(findings)
    if findings.accuracy.state in ("warn", "alarm"):
        reasons.append(findings.accuracy.reason)
    if findings.harm_suspected:
        reasons.append(findings.harm.reason)
    if findings.states["quality"] in ("warn", "alarm"):
        reasons.append(findings.quality.reason)
    # Without data to compare there is more to say than that.
    if findings.state != "unknown" and findings.without_labels:
        reasons.append(findings.without_labels)
    return " ".join(reasons)


def looked_at(findings: Findings) -> Iterator[str]:
    """What was looked at, where that is not all that this version answered and nothing else."""
    if findings.drift.compared:
        yield findings.drift.compared
    yield from context(findings)


def context(findings: Findings) -> Iterator[str]:
    """Of a sample, and of other versions."""
    data, name = findings.data, findings.monitored.model
    if len(data.records) < data.total:
        yield (
            f"Looked at: {len(data.records):,} of the window's {data.total:,} predictions, drawn "
            "at random."
        )
    if findings.others:
        listed = enumerated(
            [
                f"{counted(many, 'prediction')} by {name}:{one}"
                for one, many in findings.others.items()
            ]
        )
        yield (
            f"The window includes {listed}, whose images were looked at too, as "
            f"{findings.monitored.version.tag} answers them."
        )
    if findings.inherited is not None:
        yield (
            f"The change began while {name}:{findings.inherited} answered: it lasts until windows "
            f"of {findings.monitored.version.tag} are like its own reference."
        )


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
