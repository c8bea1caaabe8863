"""The reports of an inspection, as the database keeps them."""

from datetime import datetime

from pydantic import BaseModel

from monitor.accuracy.harm import HarmReport
from monitor.accuracy.labelled import AccuracyReport
from monitor.findings import KINDS, Findings
from monitor.frozen import Frozen
from records.database import Database
from records.reports import Kind, ReportRow, save


class AccuracyBody(Frozen):
    """The stored report on accuracy: measured with labels, and estimated without."""

    accuracy: AccuracyReport
    harm: HarmReport


def save_reports(database: Database, findings: Findings) -> list[ReportRow]:
    """Save one report for each of the three questions. Raises DatabaseError."""
    bodies: dict[Kind, tuple[datetime, int, float | None, BaseModel]] = {
        "quality": (findings.start, findings.quality.images, None, findings.quality),
        "drift": (findings.start, findings.drift.images, findings.drift.p_value, findings.drift),
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
