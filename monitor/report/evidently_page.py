"""Evidently's own report on the numbers that the drift views compare, for those who know it.

Evidently has its own lock file, as it needs pandas below 3 and brings forty other libraries.
"""

import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import MonitorError
from monitor.drift import statistics
from monitor.findings import Findings


def render_evidently(findings: Findings) -> str:
    """The HTML of Evidently's data drift report: one column for each class's output and each image
    statistic. Raises MonitorError without Evidently, reference or images."""
    reference, data = findings.monitored.reference, findings.data
    if reference is None or not len(data):
        raise MonitorError(
            f"Evidently has nothing to compare: {findings.monitored.version.tag} has "
            f"{'no images in this window' if reference is not None else 'no reference data'}."
        )
    names = columns(findings)
    before = _values(findings, reference.probabilities, reference.pixels)
    now = _values(findings, data.outputs, data.pixels)
    with warnings.catch_warnings():
        # Its libraries warn about each other.
        warnings.simplefilter("ignore")
        return _html(names, before, now)


def columns(findings: Findings) -> list[str]:
    """A name for each, without markup, as Evidently writes them into its page unescaped."""
    safe = (re.sub(r"[^\w .-]", "_", str(label))[:40] for label in findings.monitored.labels)
    outputs = [f"class {index}: {label}" for index, label in enumerate(safe)]
    return outputs + [statistic.name for statistic in statistics.of(findings.monitored.spec)]


def _values(
    findings: Findings, outputs: NDArray[np.float32], pixels: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """float32 [N, C + S]."""
    return np.hstack([outputs, statistics.compute(pixels, findings.monitored.spec)])


def _html(names: list[str], before: NDArray[np.float32], now: NDArray[np.float32]) -> str:
    try:
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset
    except ImportError:
        raise MonitorError(
            "Evidently is not installed or not compatible: install it with "
            "pip install -r requirements/evidently.txt."
        ) from None
    definition = DataDefinition(numerical_columns=names)
    frames: list[Any] = [
        Dataset.from_pandas(pd.DataFrame(values, columns=names), data_definition=definition)
        for values in (now, before)
    ]
    report = Report([DataDriftPreset()]).run(frames[0], frames[1])
    return str(report.get_html_str(as_iframe=False))
