"""Reports in words, made again from their numbers, and plots that are nothing but numbers."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.charts import Whisker, bars, lines, marks, nice, stacks, whiskers
from console.language import words
from console.matrix import matrix
from console.report import accuracies, changes, newest
from records.reports import Kind, ReportRow, State

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)
EN, ES = words("en"), words("es")
ACCURACY = {
    "state": "alarm",
    "images": 120,
    "accuracy": {"value": 0.8, "low": 0.72, "high": 0.87},
    "reference": 0.97,
    "classes": [{"label": "<b>", "worse": True}, {"label": 3, "worse": False}],
}


def row(kind: Kind, state: State, body: Any, id_: int = 1) -> ReportRow:
    text = body if isinstance(body, str) else json.dumps(body)
    return ReportRow(NOW, "clf", "v1", kind, NOW, NOW, 10, state, None, text, id_)


def test_there_is_none() -> None:
    assert newest([], EN) is None


def test_a_model_that_has_become_worse() -> None:
    report = newest([row("accuracy", "alarm", {"accuracy": ACCURACY, "harm": {}})], EN)
    assert report is not None
    assert report.headline == "The model has become worse."
    sentences = next(one.sentences for one in report.findings if one.kind == "accuracy")
    assert sentences[0] == ("Right on 80.0% of 120 labelled images (95% interval: 72.0% to 87.0%).")
    assert "Worse than before: <b>." in sentences


def test_a_suspicion_without_labels() -> None:
    harm = {"state": "alarm", "window": 0.3, "reference": 0.05}
    body = {"accuracy": {"state": "unknown", "images": 3}, "harm": harm}
    report = newest([row("accuracy", "alarm", body)], ES)
    assert report is not None
    assert report.suspected
    assert "etiquetas" in report.headline


def test_what_has_changed_is_named() -> None:
    view = {"name": "classes", "adjusted": 0.001, "effect": 1.0, "minimum": 0.5}
    small = {"name": "outputs", "adjusted": 0.001, "effect": 0.1, "minimum": 0.5}
    body = {"evidence": 0.001, "threshold": 0.01, "views": [view, small], "shown": [4, 5, "6"]}
    report = newest([row("drift", "alarm", body)], EN)
    assert report is not None
    assert report.shown == [4, 5]
    assert report.findings[0].sentences[0] == "Changed: the predicted classes."


@pytest.mark.parametrize("body", ["", "no json", "[]", "null", '{"views": 3, "checks": {}}'])
def test_a_report_that_cannot_be_read_is_no_failure(body: str) -> None:
    for kind in ("drift", "accuracy", "quality"):
        assert newest([row(kind, "warn", body)], EN) is not None
        assert accuracies([row(kind, "warn", body)]) == []


def test_accuracies_by_report_oldest_first() -> None:
    rows = [row("accuracy", "alarm", {"accuracy": ACCURACY}, id_) for id_ in (2, 1)]
    assert [one.value for one in accuracies(rows)] == [0.8, 0.8]


def test_plots_have_no_text_but_numbers_and_a_title_that_is_escaped() -> None:
    starts = [NOW + timedelta(hours=hour) for hour in range(3)]
    found = [Whisker(NOW, 0.9, 0.8, 0.95, '"><script>')]
    for svg in (
        bars(EN, '"><script>', starts, [3, 0, 9], [1, 0, 0]),
        lines(EN, '"><script>', starts, [[1.0, None, 2.0]]),
        whiskers(EN, '"><script>', found, 0.97),
        bars(EN, '"><script>', [], []),
    ):
        assert svg.startswith("<svg")
        assert "<script" not in svg


@pytest.mark.parametrize(("value", "top"), [(1, 1), (1.2, 2), (3, 5), (7, 10), (0.03, 0.05)])
def test_axes_end_at_round_numbers(value: float, top: float) -> None:
    assert nice(value) == pytest.approx(top)


def test_a_matrix_is_shaded_by_its_rows() -> None:
    shown = matrix([[9, 1], [0, 0]])
    assert shown is not None
    assert [[cell.shade for cell in line] for line in shown] == [["d4", "w2"], ["", ""]]
    assert matrix([[0] * 31] * 31) is None


def test_how_many_signs_of_a_change_each_report_found() -> None:
    view = {"name": "classes", "adjusted": 0.001, "effect": 1.0, "minimum": 0.5}
    body = {"evidence": 0.001, "threshold": 0.01, "views": [view, view | {"name": "outputs"}]}
    unknown = row("drift", "unknown", {"evidence": None})
    rows = [row("drift", "alarm", body), unknown, row("drift", "calm", body | {"views": []})]
    assert [(one.value, one.state) for one in changes(rows)] == [(0, "calm"), (2, "alarm")]
    assert "mark-alarm" in marks(EN, "changes", changes(rows), 5)


def test_shares_lie_one_upon_the_other() -> None:
    svg = stacks(EN, "classes", [NOW], [[3], [1]], [4])
    heights = [float(one) for one in re.findall(r'class="c\d".*?height="([\d.]+)"', svg)]
    assert heights[0] == pytest.approx(3 * heights[1], rel=0.01)
