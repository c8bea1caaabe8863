"""The report as one HTML file that can be mailed, with its figures and images inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from cli import printable
from monitor.drift import statistics
from monitor.drift.alarm import AlarmRule
from monitor.drift.kolmogorov import KolmogorovSmirnov
from monitor.findings import KINDS, Findings
from monitor.phrasing import capitalized, percent, short
from monitor.quality.check import Check
from monitor.report import tiles
from monitor.report.advice import HINTS, steps
from monitor.report.figures import class_proportions, distribution, timeline
from monitor.report.summary import QUESTIONS, moment, sentences
from records.reports import State
from records.windows import Record

VIEWS = {
    "outputs": "Predicted probabilities",
    "classes": "Predicted classes",
    "reconstruction": "Similarity to the training images",
    "statistics": "Brightness, sharpness, position",
    "unusual images": "Unusual images",
}

_IDS = 8
_CLASSES = 30


@dataclass(frozen=True)
class Section:
    """What a page shows of one model; ``html``: escaped."""

    tag: str
    state: State
    headline: str
    at: datetime
    end: datetime
    html: Markup


def render(findings: Findings) -> str:
    """The page of one model."""
    return joined([section(findings)])


def section(findings: Findings) -> Section:
    """One model's part of a page. Everything that a client sent is escaped."""
    template = _environment().get_template("section.html")
    return Section(
        tag=findings.monitored.version.tag,
        state=findings.state,
        headline=findings.headline,
        at=findings.at,
        end=findings.end,
        html=Markup(template.render(_content(findings, AlarmRule()))),  # noqa: S704
    )


def joined(sections: Sequence[Section]) -> str:
    """One page of one model or several. Nothing is loaded from elsewhere."""
    last = max(sections, key=lambda one: one.at)
    title = f"{last.state.upper()} {last.tag}"
    if len(sections) > 1:
        title = ", ".join(f"{one.state.upper()} {one.tag}" for one in sections)
    content = {"sections": sections, "title": f"{title}, {moment(last.end)} UTC", "at": last.at}
    return _environment().get_template("report.html").render(content)


# Its templates are compiled once.
@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    environment.filters.update(
        capitalized=capitalized,
        moment=moment,
        number=lambda value: f"{value:,}",
        percent=lambda value: "–" if value is None else percent(value),
        percent_rounded=lambda value: "–" if value is None else f"{100 * value:.0f}%",
        short=short,
    )
    return environment


def _clean(value: object) -> object:
    """Without characters that reverse the direction of writing, or that UTF-8 cannot encode."""
    return value if not isinstance(value, str) or isinstance(value, Markup) else printable(value)


def _content(findings: Findings, rule: AlarmRule) -> dict[str, Any]:
    drift, checks = findings.drift, findings.quality.checks
    compared = sum(window.evidence is not None for window in findings.windows)
    reference = findings.monitored.reference
    return {
        "findings": findings,
        "cards": [
            (QUESTIONS[kind], findings.states[kind], list(sentences(findings, kind)))
            for kind in KINDS
        ],
        "steps": steps(findings),
        "rule": rule,
        "timeline": _svg(timeline(findings.windows, rule)) if compared > 1 else None,
        "views": sorted(drift.views, key=lambda view: (view not in drift.changed, view.adjusted)),
        "view_titles": VIEWS,
        "examples": tiles.examples(findings),
        "usual": tiles.usual(findings),
        "averages": tiles.averages(findings),
        "proportions": _proportions(findings),
        "distributions": _distributions(findings),
        "classes": findings.accuracy.classes[:_CLASSES],
        "to_label": tiles.to_label(findings),
        "hints": {check.name: HINTS[check.name] for check in checks if _failed(check)},
        "requests": {
            check.name: _ids([findings.data.records[row] for row in check.rows], check.count)
            for check in checks
        },
        "faulty": {
            check.name: tiles.faulty(findings, check.rows) for check in checks if _failed(check)
        },
        "reference_images": len(reference) if reference is not None else 0,
    }


def _failed(check: Check) -> bool:
    return check.state in ("warn", "alarm")


def _ids(records: Sequence[Record], count: int) -> str:
    listed = ", ".join(short(record.request_id) for record in records[:_IDS])
    more = count - _IDS
    return f"{listed} and {more:,} more" if listed and more > 0 else listed


def _proportions(findings: Findings) -> str | None:
    """The figure of the predicted classes."""
    reference, data = findings.monitored.reference, findings.data
    if reference is None or not len(data):
        return None
    labels = findings.monitored.labels
    now = _weighted(data.outputs, data.weights, len(labels))
    before = _weighted(reference.probabilities, np.ones(len(reference)), len(labels))
    return _svg(class_proportions(labels, before, now))


def _weighted(
    outputs: NDArray[np.float32], weights: NDArray[np.float64], classes: int
) -> NDArray[np.float64]:
    """float64 [classes]: proportions of the predicted classes."""
    counts = np.bincount(outputs.argmax(axis=1), weights / weights.sum(), minlength=classes)
    return np.asarray(counts, np.float64)


def _distributions(findings: Findings) -> list[str]:
    """Figures of the image statistic that changed most, and of the confidence."""
    reference, data = findings.monitored.reference, findings.data
    if reference is None or not len(data):
        return []
    spec = findings.monitored.spec
    old = statistics.compute(reference.pixels, spec)
    new = statistics.compute(data.pixels, spec)
    column = KolmogorovSmirnov.of(old, new).column
    figures = [distribution(old[:, column], new[:, column], statistics.of(spec)[column].name)]
    if findings.monitored.version.manifest.gives_probabilities:
        before, now = reference.probabilities.max(axis=1), data.outputs.max(axis=1)
        figures.append(distribution(before, now, "confidence", probability=True))
    return [_svg(figure) for figure in figures]


def _svg(text: str) -> str:
    return tiles.data_url(text.encode(), "image/svg+xml")
