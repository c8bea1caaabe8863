"""The reports of an inspection, as the database keeps them."""

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field

from monitor.accuracy.harm import HarmReport
from monitor.accuracy.labelled import AccuracyReport
from monitor.drift.results import DriftReport
from monitor.findings import KINDS, Findings
from monitor.frozen import Frozen
from monitor.quality.check import CheckName
from monitor.quality.quality import QualityReport
from records.database import Database
from records.reports import Kind, ReportRow, save

_SHOWN: Final = 12


class AccuracyBody(Frozen):
    """The stored report on accuracy: measured with labels, and estimated without."""

    accuracy: AccuracyReport
    harm: HarmReport


class DriftBody(DriftReport):
    """The stored report on drift, with the ids of the predictions whose images show it most."""

    shown: tuple[int, ...] = ()


class QualityBody(QualityReport):
    """The stored report on quality, with the ids of predictions that its checks found."""

    shown: dict[CheckName, tuple[int, ...]] = Field(default={})


def save_reports(database: Database, findings: Findings) -> list[ReportRow]:
    """Save one report for each of the three questions. Raises DatabaseError."""
    bodies: dict[Kind, tuple[datetime, int, float | None, BaseModel]] = {
        "quality": (findings.start, findings.quality.images, None, _quality(findings)),
        "drift": (findings.start, findings.drift.images, findings.drift.p_value, _drift(findings)),
        "accuracy": (
            findings.labels_since,
            findings.accuracy.images,
            None,
            AccuracyBody(accuracy=findings.accuracy, harm=findings.harm),
        ),
    }
    rows = []
    for kind in KINDS:
        start, images, p_value, body = bodies[kind]
        row = ReportRow(
            at=findings.at,
            model=findings.monitored.model,
            version=findings.monitored.version.version,
            kind=kind,
            window_start=start,
            window_end=findings.end,
            images=images,
            state=findings.states[kind],
            p_value=p_value,
            body=body.model_dump_json(),
        )
        rows.append(save(database, row))
    return rows


def _drift(findings: Findings) -> DriftBody:
    data = findings.data
    shown = tuple(data.record(row).id for row in findings.drift.examples[:_SHOWN])
    return DriftBody(**_fields(findings.drift), shown=shown)


def _quality(findings: Findings) -> QualityBody:
    shown = {
        check.name: tuple(findings.data.records[row].id for row in check.rows[:_SHOWN])
        for check in findings.quality.checks
        if check.rows and check.state in ("warn", "alarm")
    }
    return QualityBody(**_fields(findings.quality), shown=shown)


def _fields(report: BaseModel) -> dict[str, Any]:
    return {name: getattr(report, name) for name in type(report).model_fields}
