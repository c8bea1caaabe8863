"""Evidently's own report on what our detector looks at, for those who know it.

A library of its own set: it needs pandas below 3, and brings forty others.
"""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import MonitorError
from monitor.drift import statistics
from monitor.findings import Findings
from monitor.report.files import write_file


def write_evidently(findings: Findings, path: Path) -> None:
    """Write Evidently's data drift report: one column for each class's output and each image
    statistic. Raises MonitorError without Evidently, reference or images."""
    reference, gathered = findings.subject.reference, findings.gathered
    if reference is None or not len(gathered):
        raise MonitorError(
            f"Evidently has nothing to compare: {findings.subject.version.tag} has "
            f"{'no images in this window' if reference is not None else 'no reference data'}."
        )
    names = columns(findings)
    before = _values(findings, reference.probabilities, reference.pixels)
    now = _values(findings, gathered.outputs, gathered.pixels)
    with warnings.catch_warnings():
        # Of its libraries, about one another.
        warnings.simplefilter("ignore")
        html = _html(names, before, now)
    write_file(path, html)


def columns(findings: Findings) -> list[str]:
    """A name for each: Evidently writes them into its page as they are, so without markup."""
    safe = (re.sub(r"[^\w .-]", "_", str(label))[:40] for label in findings.subject.labels)
    outputs = [f"class {place}: {label}" for place, label in enumerate(safe)]
    return outputs + [one.name for one in statistics.of(findings.subject.spec)]


def _values(
    findings: Findings, outputs: NDArray[np.float32], pixels: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """float32 [N, C + S]."""
    return np.hstack([outputs, statistics.compute(pixels, findings.subject.spec)])


def _html(names: list[str], before: NDArray[np.float32], now: NDArray[np.float32]) -> str:
    try:
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset
    except ImportError:
        raise MonitorError(
            "Evidently is not installed, or not one that works here: install it with "
            "pip install -r requirements/evidently.txt."
        ) from None
    definition = DataDefinition(numerical_columns=names)
    frames: list[Any] = [
        Dataset.from_pandas(pd.DataFrame(values, columns=names), data_definition=definition)
        for values in (now, before)
    ]
    report = Report([DataDriftPreset()]).run(frames[0], frames[1])
    return str(report.get_html_str(as_iframe=False))
