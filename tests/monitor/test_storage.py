"""Reports in the database, also those of the first release."""

import json
from datetime import datetime
from typing import Any

import pytest

from monitor.frozen import Frozen
from monitor.storage import AccuracyBody, DriftBody, QualityBody
from monitor.window.history import past_windows, reason_of, row_as_json
from records.database import Database
from records.reports import Kind, ReportRow, history, save
from tests.servers import ROOT

BODIES: dict[Kind, type[Frozen]] = {
    "drift": DriftBody,
    "accuracy": AccuracyBody,
    "quality": QualityBody,
}
OLD = json.loads((ROOT / "tests" / "data" / "old_reports.json").read_text())


def stored(report: dict[str, Any]) -> ReportRow:
    return ReportRow(
        at=datetime.fromisoformat(report["at"]),
        model="watched",
        version=report["version"],
        kind=report["kind"],
        window_start=datetime.fromisoformat(report["start"]),
        window_end=datetime.fromisoformat(report["end"]),
        images=report["images"],
        state=report["state"],
        p_value=report["p_value"],
        body=json.dumps(report["body"]),
    )


@pytest.mark.parametrize("report", OLD)
def test_the_keys_of_stored_reports_are_those_of_the_first_release(report: dict[str, Any]) -> None:
    read = BODIES[report["kind"]].model_validate_json(json.dumps(report["body"]))
    # Not what has been added since.
    assert json.loads(read.model_dump_json(exclude_unset=True)) == report["body"]


def test_reports_of_the_first_release_are_windows_of_the_alarm_rule() -> None:
    rows = [stored(report) for report in OLD if report["kind"] == "drift"]
    (window,) = past_windows(rows, minimum=50)
    assert (window.images, window.state, window.extensible) == (60, "alarm", False)
    assert window.evidence == OLD[0]["body"]["evidence"]


def test_the_history_shows_reports_of_the_first_release(database: Database) -> None:
    for report in OLD:
        save(database, stored(report))
    for row, report in zip(history(database, "watched")[::-1], OLD, strict=True):
        shown = row_as_json(row)
        assert (shown["state"], shown["report"]) == (report["state"], report["body"])
        assert reason_of(row) == shown["reason"] != ""


def test_of_two_accuracies_the_one_that_determines_the_state_has_the_reason() -> None:
    suspected, measured = (stored(report) for report in OLD if report["kind"] == "accuracy")
    assert "half copies disagree" in reason_of(suspected)
    assert "labelled predictions are right" in reason_of(measured)
