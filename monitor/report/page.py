"""The report as one HTML file that can be mailed: figures and images are inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from monitor.accuracy.labelled import ClassAccuracy
from monitor.drift import statistics
from monitor.drift.alarm import AlarmRule
from monitor.drift.views import Columns
from monitor.findings import KINDS, Findings
from monitor.phrasing import percent
from monitor.report.advice import HINTS, steps
from monitor.report.figures import class_shares, distribution, short, timeline
from monitor.report.pictures import data_url, picture_url
from monitor.report.summary import QUESTIONS, moment, printable, said
from records.windows import Record

VIEWS = {
    "outputs": "The probabilities it gives",
    "classes": "The classes it names",
    "reconstruction": "Likeness to the training images",
    "statistics": "Light, sharpness, position",
    "unusual images": "Images unlike any in training",
}

_TILES = 8
_TO_LABEL = 24
_FAULTY = 6
_CLASSES = 30


@dataclass(frozen=True)
class Tile:
    """An image with up to three lines below it."""

    url: str
    lines: tuple[str, ...]


def render(findings: Findings, rule: AlarmRule | None = None) -> str:
    """The page; everything that a client sent is escaped, and nothing is loaded from elsewhere."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )
    return environment.get_template("report.html").render(_content(findings, rule or AlarmRule()))


def _clean(value: object) -> object:
    """Without characters that turn the direction of writing, or that UTF-8 does not have."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return printable(value).replace(" %", "\u00a0%")


def _content(findings: Findings, rule: AlarmRule) -> dict[str, Any]:
    subject, gathered = findings.subject, findings.gathered
    known = sum(one.evidence is not None for one in findings.windows)
    return {
        "tag": subject.version.tag,
        "state": findings.state,
        "headline": findings.headline,
        "since": None if findings.since is None else moment(findings.since),
        "start": moment(findings.start),
        "end": moment(findings.end),
        "at": moment(findings.at),
        "records": f"{len(gathered.records):,}",
        "images": f"{len(gathered):,}",
        "cards": [
            (kind, QUESTIONS[kind], findings.states[kind], list(said(findings, kind)))
            for kind in KINDS
        ],
        "steps": steps(findings),
        "timeline": _svg(timeline(findings.windows, rule)) if known > 1 else None,
        "windows": known,
        "rule": rule,
        "verdict": findings.verdict.reason,
        "views": _views(findings),
        "changed": bool(findings.drift.changed),
        "examples": _examples(findings),
        "usual": _usual(findings),
        "averages": _averages(findings),
        "shares": _shares(findings),
        "distributions": _distributions(findings),
        "checks": [
            {
                "name": one.name,
                "state": one.state,
                "count": f"{one.count:,}",
                "share": "–" if one.share is None else percent(one.share),
                "threshold": percent(one.threshold) if one.threshold else "none",
                "words": one.words,
                "hint": HINTS[one.name] if one.state in ("warn", "alarm") else "",
                "requests": _ids([gathered.records[row] for row in one.rows], one.count),
                "tiles": _faulty(findings, one.rows) if one.state in ("warn", "alarm") else [],
            }
            for one in findings.quality.checks
        ],
        "accuracy": findings.accuracy,
        "labels_since": moment(findings.labels_since),
        "labels_before": findings.labels_since < findings.start,
        "classes": [_class(one) for one in findings.accuracy.classes[:_CLASSES]],
        "more_classes": max(0, len(findings.accuracy.classes) - _CLASSES),
        "percent": percent,
        "harm": findings.harm,
        "suspected": findings.harm.suspected and not findings.judged_by_labels,
        "to_label": [
            _tile(findings, gathered.record(place), gathered.pixels[place])
            for place in findings.harm.label_first[:_TO_LABEL]
        ],
        "to_label_of": len(findings.harm.label_first),
        "reference": len(subject.reference) if subject.reference is not None else 0,
    }


def _views(findings: Findings) -> list[dict[str, Any]]:
    changed = set(findings.drift.changed)
    return [
        {
            "title": VIEWS.get(one.name, one.name),
            "words": f"{one.words[0].upper()}{one.words[1:]}.",
            "changed": one in changed,
            "effect": f"{one.effect:.2f}",
            "minimum": f"{one.minimum:g}",
            # The bar is full at five times what counts.
            "bar": min(100, round(20 * one.effect / one.minimum)),
            "unit": one.unit,
            "p_value": "< 0.0001" if one.adjusted < 1e-4 else f"{one.adjusted:.2g}",
        }
        for one in sorted(findings.drift.views, key=lambda one: (one not in changed, one.adjusted))
    ]


def _examples(findings: Findings) -> list[Tile]:
    """Those that show the change most, or else some of the window, evenly spaced."""
    gathered = findings.gathered
    places: Sequence[int] = findings.drift.examples[:_TILES]
    if not places and len(gathered):
        count = min(_TILES, len(gathered))
        places = np.linspace(0, len(gathered) - 1, count).astype(int).tolist()
    return [_tile(findings, gathered.record(one), gathered.pixels[one]) for one in places]


def _usual(findings: Findings) -> list[Tile]:
    reference, subject = findings.subject.reference, findings.subject
    if reference is None:
        return []
    return [
        Tile(picture_url(pixels, subject.spec), (f"is {short(subject.labels[label])}",))
        for pixels, label in zip(
            reference.pixels[:_TILES], reference.labels[:_TILES].tolist(), strict=True
        )
    ]


def _averages(findings: Findings) -> list[Tile]:
    reference, now = findings.subject.reference, findings.gathered.pixels
    if reference is None or not len(now):
        return []
    return [
        Tile(picture_url(np.rint(pixels.mean(axis=0)).astype(np.uint8), spec), (name,))
        for pixels, name in ((now, "this window"), (reference.pixels, "reference"))
        for spec in (findings.subject.spec,)
    ]


def _shares(findings: Findings) -> str | None:
    reference, gathered = findings.subject.reference, findings.gathered
    if reference is None or not len(gathered):
        return None
    classes = len(findings.subject.labels)
    now, before = (
        np.asarray(
            np.bincount(outputs.argmax(axis=1), weights / weights.sum(), minlength=classes),
            np.float64,
        )
        for outputs, weights in (
            (gathered.outputs, gathered.weights),
            (reference.probabilities, np.ones(len(reference))),
        )
    )
    return _svg(class_shares(findings.subject.labels, before, now))


def _distributions(findings: Findings) -> list[str]:
    """The image statistic that changed most, and the confidence."""
    reference, gathered = findings.subject.reference, findings.gathered
    if reference is None or not len(gathered):
        return []
    spec = findings.subject.spec
    old, new = (
        Columns(outputs, statistics.compute(pixels, spec), None)
        for outputs, pixels in (
            (reference.probabilities, reference.pixels),
            (gathered.outputs, gathered.pixels),
        )
    )
    distances: Any = ks_2samp(new.statistics, old.statistics, method="asymp", axis=0)
    most = int(np.asarray(distances.statistic).argmax())
    name = statistics.of(spec)[most].name
    found = [distribution(old.statistics[:, most], new.statistics[:, most], name)]
    if findings.subject.version.manifest.gives_probabilities:
        best = old.outputs.max(axis=1), new.outputs.max(axis=1)
        found.append(distribution(*best, "confidence", shares=True))
    return [_svg(one) for one in found]


def _faulty(findings: Findings, rows: Sequence[int]) -> list[Tile]:
    gathered = findings.gathered
    shown = ((row, gathered.of_record(row)) for row in rows)
    return [
        _tile(findings, gathered.records[row], pixels)
        for row, pixels in shown
        if pixels is not None
    ][:_FAULTY]


def _tile(findings: Findings, record: Record, pixels: NDArray[np.uint8]) -> Tile:
    said = "–" if record.label is None else short(record.label)
    sure = () if record.confidence is None else (f"{percent(record.confidence)} sure",)
    lines = (f"said {said}", *sure, f"id {short(record.request_id)}")
    return Tile(picture_url(pixels, findings.subject.spec), lines)


def _ids(records: Sequence[Record], count: int) -> str:
    named = ", ".join(short(one.request_id) for one in records[:_TILES])
    more = count - _TILES
    return f"{named} and {more:,} more" if named and more > 0 else named


def _class(one: ClassAccuracy) -> dict[str, Any]:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.0f} %"

    return {
        "label": short(one.label),
        "images": f"{one.images:,}",
        "recall": share(one.recall.value if one.recall else None),
        "before_recall": share(one.reference_recall),
        "precision": share(one.precision.value if one.precision else None),
        "before_precision": share(one.reference_precision),
        "worse": one.worse,
    }


def _svg(text: str) -> str:
    return data_url(text.encode(), "image/svg+xml")
