import json
from typing import Any

from monitor.findings import Findings
from monitor.report.document import Document
from monitor.window.version import MonitoredVersion
from records.database import Database
from tests.monitor.production import Production, inspected, keep, turned
from tests.servers import ROOT


def test_it_has_ids_in_place_of_indices(production: Production, warning: Findings) -> None:
    found = json.loads(Document.of(warning, "calm").json_text())
    assert (found["state"], found["before"]) == ("warn", "calm")
    assert (found["model"], found["version"]) == ("watched", production.version.version)
    assert found["since"] == "2030-01-31T12:00:00Z"
    assert found["text"].startswith(f"WARN {production.version.tag}: The images look different")
    assert len(found["label_first"]) == 100
    assert found["examples"][0].keys() == {"request_id", "at", "prediction", "confidence"}
    assert found["examples"][0]["request_id"].startswith("'1; rm -rf -")
    assert "examples" not in found["drift"]
    assert "examples" not in found["drift"]["views"][0]
    assert "rows" not in found["quality"]["checks"][0]
    assert [step["text"] for step in found["todo"]]


def test_any_request_id_can_be_listed(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    ids = [f"\ud800 {number} \x00" for number in range(120)]
    keep(database, production.version, turned(production.images(0)), ids=ids)
    found = json.loads(Document.of(inspected(database, monitored)).json_text())
    assert found["examples"][0]["request_id"].startswith("\\ud800 ")


def test_a_calm_window_is_two_sentences(production: Production, calm: Findings) -> None:
    found = Document.of(calm)
    assert found.text == f"CALM {production.version.tag}: No problems found."
    assert (found.looked_at, found.records, found.recorded) == ("", 120, 120)
    assert (found.examples, found.faulty) == ((), {})


def keys(value: Any, path: str = "") -> set[str]:
    """Of an object and of those in it, with their paths."""
    if isinstance(value, list):
        return set().union(*(keys(item, f"{path}[]") for item in value))
    if not isinstance(value, dict):
        return set()
    return {f"{path}.{key}" for key in value}.union(
        *(keys(inner, f"{path}.{key}") for key, inner in value.items())
    )


def test_its_keys_are_those_of_the_first_release(alarm: Findings) -> None:
    """A webhook reads them; the file is what 0.1 sent, its lists cut to one item."""
    old = json.loads((ROOT / "tests" / "data" / "old_report_document.json").read_text())
    new = json.loads(Document.of(alarm).json_text())
    for document in (old, new):
        # By the name of the check.
        document["faulty"] = list(document["faulty"].values())
    missing = keys(old) - keys(new)
    assert all(key.startswith(".faulty") for key in missing)
