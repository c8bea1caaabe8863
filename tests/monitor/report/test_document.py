import json

from monitor.inspection import inspect
from monitor.report.document import Document
from monitor.storage import save_reports
from monitor.window.version import MonitoredVersion
from records.database import Database
from tests.monitor.production import HOUR, NOON, Production, keep, turned


def test_it_has_ids_in_place_of_indices(production: Production, database: Database) -> None:
    keep(database, production.version, turned(production.images(0)))
    findings = inspect(database, MonitoredVersion.of(production.version), NOON - HOUR, NOON)
    found = json.loads(Document.of(findings, "calm").json_text())
    assert (found["state"], found["before"]) == ("warn", "calm")
    assert (found["model"], found["version"]) == ("watched", production.version.version)
    assert found["since"] == "2030-01-31T11:00:00Z"
    assert found["text"].startswith(f"WARN {production.version.tag}: The images look different")
    assert len(found["label_first"]) == 100
    assert found["examples"][0].keys() == {"request_id", "at", "prediction", "confidence"}
    assert found["examples"][0]["request_id"].startswith("r-")
    assert "examples" not in found["drift"]
    assert "examples" not in found["drift"]["views"][0]
    assert "rows" not in found["quality"]["checks"][0]
    assert [step["text"] for step in found["todo"]]


def test_any_request_id_can_be_listed(production: Production, database: Database) -> None:
    ids = [f"\ud800 {number} \x00" for number in range(120)]
    keep(database, production.version, turned(production.images(0)), ids=ids)
    monitored = MonitoredVersion.of(production.version)
    findings = inspect(database, monitored, NOON - HOUR, NOON)
    save_reports(database, findings)
    found = json.loads(Document.of(findings).json_text())
    assert found["examples"][0]["request_id"].startswith("\\ud800 ")


def test_a_calm_window_is_one_sentence(production: Production, database: Database) -> None:
    keep(database, production.version, production.images(0))
    findings = inspect(database, MonitoredVersion.of(production.version), NOON - HOUR, NOON)
    found = Document.of(findings)
    assert found.text == f"CALM {production.version.tag}: No problems found."
    assert (found.examples, found.faulty) == ((), {})
