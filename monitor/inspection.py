"""The inspection of one window: quality, drift and accuracy of what one version answered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from monitor.accuracy.harm import HarmReport, disagreement, suspect
from monitor.accuracy.labelled import (
    LABELS_BACK,
    AccuracyReport,
    AccuracySettings,
    measure_accuracy,
)
from monitor.drift.alarm import AlarmRule
from monitor.drift.detector import DriftDetector, DriftSettings
from monitor.drift.results import DriftReport
from monitor.familiar import look
from monitor.findings import Findings
from monitor.proportions import Proportion
from monitor.quality.quality import check_quality
from monitor.window.data import WindowData, gather, load, sampled
from monitor.window.history import PastWindow, inherited, past_windows, preceding
from monitor.window.version import MonitoredVersion
from records.database import Database
from records.reports import history
from records.traffic import traffic
from records.windows import Record, window

_MAX_LABELLED = 2_000
_SAMPLE = 500
_MAX_WINDOWS = 400


def inspect(
    database: Database,
    monitored: MonitoredVersion,
    start: datetime,
    end: datetime,
    *,
    rule: AlarmRule | None = None,
    alone: bool = False,
) -> Findings:
    """Inspect the window from ``start`` until before ``end``.

    The alarm rule takes the windows before it from their reports. Images that another version
    answered count too, and so do the last windows of the one that this one replaced, unless
    ``alone``. Nothing is saved. Raises RecordsError, and ArtifactError for a version whose files
    have changed.
    """
    data = gather(database, monitored, start, end, alone=alone)
    counts = traffic(database, monitored.model, start, end)
    quality = check_quality(
        data.records,
        data.decoded,
        monitored.reference,
        monitored.spec,
        monitored.labels,
        [
            minute
            for minute in counts
            if minute.version in {monitored.version.version, *data.answered}
        ],
    )
    drift = _drift(monitored, data)
    earlier = preceding(inspected_windows(database, monitored, alone=alone), start)
    version = monitored.version.version
    this = PastWindow(start, end, drift.images, drift.state, drift.evidence, version=version)
    verdict = (rule or AlarmRule()).judge([past.evidence for past in (*earlier, this)])
    harm = suspect(
        monitored.reference,
        monitored.halves,
        monitored.spec,
        data.inputs,
        data.outputs,
        data.weights,
        without=monitored.version.manifest.without_halves,
        own=data.own,
    )
    accuracy, labels_since = _accuracy(database, monitored, start, end, data, harm)
    return Findings(
        monitored=monitored,
        at=datetime.now(UTC),
        start=start,
        end=end,
        data=data,
        quality=quality,
        drift=drift,
        verdict=verdict,
        windows=(*earlier, replace(this, state=verdict.state)),
        accuracy=accuracy,
        labels_since=labels_since,
        harm=harm,
        familiar=look(monitored, data),
    )


def inspected_windows(
    database: Database, monitored: MonitoredVersion, *, alone: bool = False
) -> list[PastWindow]:
    """The windows of the version, and unless ``alone`` of the one that it replaced, that have a
    report, oldest first. Raises DatabaseError."""
    rows = history(database, monitored.model, "drift", _MAX_WINDOWS)
    windows = past_windows(rows, DriftSettings().min_images)
    version = monitored.version.version
    if alone:
        return [window for window in windows if window.version == version]
    return inherited(windows, version)


def _drift(monitored: MonitoredVersion, data: WindowData) -> DriftReport:
    if monitored.reference is not None:
        detector = DriftDetector().fit(
            monitored.reference, monitored.spec, monitored.labels, monitored.familiarity
        )
        return detector.compare(data.pixels, data.outputs, data.weights, embeddings=data.embeddings)
    return DriftReport(
        state="unknown",
        p_value=None,
        evidence=None,
        threshold=DriftSettings().alpha,
        reason=(
            f"{monitored.version.tag} was not trained here and has no reference data to compare "
            "with: provide labelled images with --data."
        ),
        given=len(data),
        images=len(data),
        reference=0,
    )


def _accuracy(
    database: Database,
    monitored: MonitoredVersion,
    start: datetime,
    end: datetime,
    data: WindowData,
    harm: HarmReport,
) -> tuple[AccuracyReport, datetime]:
    """The report, and the start of the time its labelled predictions come from."""
    labelled, since = _labelled(database, monitored, start, end), start
    if _count(labelled) < AccuracySettings().min_labels:
        more = _labelled(database, monitored, end - LABELS_BACK, end)
        if _count(more) > _count(labelled):
            labelled, since = more, min(start, end - LABELS_BACK)
    proportion = None
    if harm.window is not None:
        size = Proportion.of(np.ones(len(data), dtype=bool), data.weights).size
        proportion = Proportion(harm.window, size)
    if since < start and monitored.halves is not None:
        sample = sampled(database, monitored, since, end, _SAMPLE, alone=True)
        mask = _disagreeing(monitored, sample)
        proportion = Proportion.of(mask, sample.weights) if len(sample) else None
    disagreeing = None
    if proportion is not None and labelled:
        disagreeing = _disagreeing_records(database, monitored, labelled)
    report = measure_accuracy(
        labelled,
        monitored.labels,
        monitored.reference,
        disagreeing=disagreeing,
        disagreement=proportion,
    )
    return report, since


def _labelled(
    database: Database, monitored: MonitoredVersion, start: datetime, end: datetime
) -> list[Record]:
    return window(
        database,
        monitored.model,
        version=monitored.version.version,
        start=start,
        end=end,
        limit=_MAX_LABELLED,
        labelled=True,
        with_images=False,
        by_chance=True,
    )


def _count(records: Sequence[Record]) -> int:
    return sum(record.truth is not None for record in records)


def _disagreeing(monitored: MonitoredVersion, data: WindowData) -> NDArray[np.bool_]:
    """bool [n]: where the classifier and its half-data copies disagree."""
    answers = [monitored.answers(data.inputs, half) for half in monitored.halves or ()]
    return disagreement(data.outputs, *answers)


def _disagreeing_records(
    database: Database, monitored: MonitoredVersion, labelled: Sequence[Record]
) -> NDArray[np.bool_] | None:
    """bool [n] of the records; None if the image of any of them is missing."""
    data = load(database, monitored, labelled)
    if len(data) < len(labelled):
        return None
    mask = np.zeros(len(labelled), dtype=bool)
    mask[data.rows] = _disagreeing(monitored, data)
    return mask
