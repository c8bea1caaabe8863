"""The newest reports, as Prometheus is told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

from records.reports import ReportRow, save
from serving.gauges import Gauges
from serving.recording.connection import RecordsConnection
from settings import Settings

AT = datetime(2026, 11, 23, 9, 41, tzinfo=UTC)


def report(**changes: Any) -> ReportRow:
    fields: dict[str, Any] = {
        "at": AT, "model": "clf", "version": "v", "kind": "drift", "window_start": None,
        "window_end": None, "images": 100, "state": "calm", "p_value": 0.5, "body": "{}",
    }  # fmt: skip
    return ReportRow(**fields | changes)


def gauge(name: str, kind: str) -> float | None:
    return REGISTRY.get_sample_value(f"pupila_monitor_{name}", {"model": "clf", "kind": kind})


def test_the_newest_report_of_each_kind_is_shown(tmp_path: Path) -> None:
    records = RecordsConnection(Settings(home=tmp_path / "pupila"))
    with records.open() as database:
        save(database, report())
        save(database, report(state="alarm", p_value=0.001))
        save(database, report(kind="quality", state="unknown", p_value=None))
    Gauges(records).read()
    records.close()
    assert gauge("state", "drift") == 2
    assert gauge("p_value", "drift") == 0.001
    assert gauge("state", "quality") == -1
    assert gauge("report_timestamp_seconds", "quality") == AT.timestamp()
