"""One look at a window: quality, drift and accuracy of what one version answered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from monitor.accuracy.harm import HarmReport, dissent, suspect
from monitor.accuracy.labelled import AccuracyReport, AccuracySettings, measure_accuracy
from monitor.drift.alarm import AlarmRule
from monitor.drift.detector import DriftDetector, DriftSettings
from monitor.drift.report import DriftReport
from monitor.findings import KINDS, Findings
from monitor.proportions import Share
from monitor.quality.quality import check_quality
from monitor.window.gathering import Gathered, gather, load
from monitor.window.past import PastWindow, before, past
from monitor.window.version import MonitoredVersion
from records.database import Database
from records.reports import Kind, ReportRow, history, save
from records.traffic import traffic
from records.windows import Record, window

LABELS_FROM = timedelta(days=30)
"""Labels come late: if a window has too few, those of the last month are looked at."""

_LABELLED = 2_000
_SAMPLE = 500
_WINDOWS = 400


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AccuracyBody(_Frozen):
    """What is kept of accuracy: what labels say, and what the half copies suspect."""

    accuracy: AccuracyReport
    harm: HarmReport


def look(
    database: Database,
    subject: MonitoredVersion,
    start: datetime,
    end: datetime,
    *,
    rule: AlarmRule | None = None,
) -> Findings:
    """Everything there is to say of the window from ``start`` until before ``end``.

    The alarm rule sees the windows before it that were reported. Nothing is saved. Raises
    RecordsError, and ArtifactError for a version whose files are not what was saved.
    """
    gathered = gather(database, subject, start, end)
    counts = traffic(database, subject.model, start, end)
    quality = check_quality(
        gathered.records,
        gathered.decoded,
        subject.reference,
        subject.spec,
        subject.labels,
        [one for one in counts if one.version == subject.version.version],
    )
    drift = _drift(subject, gathered)
    earlier = before(windows(database, subject), start)
    this = PastWindow(start, end, drift.images, drift.state, drift.evidence)
    verdict = (rule or AlarmRule()).judge([one.evidence for one in (*earlier, this)])
    harm = suspect(
        subject.reference,
        subject.halves,
        subject.spec,
        gathered.pixels,
        gathered.outputs,
        gathered.weights,
        without=subject.version.manifest.without_halves,
    )
    accuracy, labels_since = _accuracy(database, subject, start, end, harm)
    return Findings(
        subject=subject,
        at=datetime.now(UTC),
        start=start,
        end=end,
        gathered=gathered,
        quality=quality,
        drift=drift,
        verdict=verdict,
        windows=(*earlier, replace(this, state=verdict.state)),
        accuracy=accuracy,
        labels_since=labels_since,
        harm=harm,
    )


def windows(database: Database, subject: MonitoredVersion) -> list[PastWindow]:
    """The windows of the version that were reported, the oldest first."""
    rows = history(database, subject.model, "drift", _WINDOWS)
    own = [row for row in rows if row.version == subject.version.version]
    return past(own, DriftSettings().least)


def keep(database: Database, findings: Findings) -> list[ReportRow]:
    """Save the three reports; raises DatabaseError."""
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
            model=findings.subject.model,
            version=findings.subject.version.version,
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


def _drift(subject: MonitoredVersion, gathered: Gathered) -> DriftReport:
    if subject.reference is not None:
        detector = DriftDetector().fit(subject.reference, subject.spec, subject.labels)
        return detector.compare(gathered.window)
    return DriftReport(
        state="unknown",
        p_value=None,
        evidence=None,
        threshold=DriftSettings().alpha,
        reason=(
            f"{subject.version.tag} has no reference data to compare with, as it was not trained "
            "here: name some labelled images by --data."
        ),
        given=len(gathered),
        images=len(gathered),
        reference=0,
    )


def _accuracy(
    database: Database, subject: MonitoredVersion, start: datetime, end: datetime, harm: HarmReport
) -> tuple[AccuracyReport, datetime]:
    """The report, and from when on its labelled predictions are."""
    labelled, since = _labelled(database, subject, start, end), start
    if _count(labelled) < AccuracySettings().least:
        more = _labelled(database, subject, end - LABELS_FROM, end)
        if _count(more) > _count(labelled):
            labelled, since = more, min(start, end - LABELS_FROM)
    share = harm.window
    if since < start and subject.halves is not None:
        sample = gather(database, subject, since, end, _SAMPLE)
        share = Share.of(_dissent(subject, sample), sample.weights).value if len(sample) else None
    mask = None
    if share is not None and labelled:
        mask = _dissent_of(database, subject, labelled)
    report = measure_accuracy(
        labelled,
        subject.labels,
        subject.reference,
        dissent=mask,
        dissent_share=share if mask is not None else None,
    )
    return report, since


def _labelled(
    database: Database, subject: MonitoredVersion, start: datetime, end: datetime
) -> list[Record]:
    return window(
        database,
        subject.model,
        version=subject.version.version,
        start=start,
        end=end,
        limit=_LABELLED,
        labelled=True,
        with_images=False,
    )


def _count(records: Sequence[Record]) -> int:
    return sum(one.truth is not None for one in records)


def _dissent(subject: MonitoredVersion, gathered: Gathered) -> NDArray[np.bool_]:
    """bool [n]: where classifier and half copies disagree."""
    answers = [subject.answers(gathered.pixels, half) for half in subject.halves or ()]
    return dissent(gathered.outputs, *answers)


def _dissent_of(
    database: Database, subject: MonitoredVersion, labelled: Sequence[Record]
) -> NDArray[np.bool_] | None:
    """bool [n] of the records; None if the image of any is not there to ask about."""
    gathered = load(database, subject, labelled)
    if len(gathered) < len(labelled):
        return None
    found = np.zeros(len(labelled), dtype=bool)
    found[gathered.rows] = _dissent(subject, gathered)
    return found
