"""Windows of real records, from the first to the alarm."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from sqlalchemy import delete

from models.store import Store
from monitor.inspection import inspect
from monitor.report.document import Document
from monitor.report.summary import one_line, sentences
from monitor.storage import save_reports
from monitor.window.version import MonitoredVersion
from records.database import Database
from records.reports import history
from records.schema import labels
from tests.drafts import LinearDraft
from tests.monitor.production import HOUR, NOON, Production, give_labels, inspected, keep, turned


def test_a_calm_window(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0))
    findings = inspected(database, monitored)
    assert findings.states == {"drift": "calm", "accuracy": "unknown", "quality": "calm"}
    assert (findings.state, findings.since) == ("calm", None)
    assert findings.headline == "No problems found, but the accuracy is unknown."
    assert findings.harm.state == "calm"
    assert findings.without_labels == ("Nobody has labelled images of the last 30 days.")


def test_labels_of_some_of_the_images_make_it_calm(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    names = keep(database, production.version, production.images(0))
    give_labels(database, names[:40], production.truth(0)[:40])
    findings = inspected(database, monitored)
    assert findings.states["accuracy"] == "calm"
    assert (findings.headline, findings.without_labels) == ("No problems found.", "")


def test_labels_of_weeks_ago_say_nothing_about_now(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    for days, state in ((13, "calm"), (16, "unknown")):
        at = NOON - days * 24 * HOUR
        names = keep(database, production.version, production.images(0), at=at, prefix=str(days))
        give_labels(database, names, production.truth(0))
        keep(database, production.version, production.images(1), prefix=f"now-{days}")
        findings = inspected(database, monitored)
        assert findings.accuracy.state == "calm"
        assert findings.states["accuracy"] == state
        with database.writing() as connection:
            connection.execute(delete(labels))
    assert findings.without_labels == ("Nobody has labelled images of the last 16 days.")
    assert findings.without_labels in sentences(findings, "accuracy")
    assert one_line(findings).endswith(findings.without_labels)
    document = Document.of(findings)
    assert document.without_labels == findings.without_labels
    assert document.states["accuracy"] == "unknown"
    assert findings.without_labels in document.text


def test_labels_of_weeks_ago_still_show_a_drop(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    at = NOON - 20 * 24 * HOUR
    names = keep(database, production.version, turned(production.images(0)), at=at)
    give_labels(database, names, production.truth(0))
    keep(database, production.version, production.images(1), prefix="now")
    findings = inspected(database, monitored)
    assert findings.states["accuracy"] == "alarm"
    assert findings.without_labels == "Nobody has labelled images of the last 20 days."


def test_two_windows_of_three_make_an_alarm(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0))
    assert inspected(database, monitored).states["drift"] == "calm"
    for hour, expected in ((1, "warn"), (2, "alarm")):
        pixels = turned(production.images(hour))
        keep(database, production.version, pixels, at=NOON + hour * HOUR, prefix=str(hour))
        findings = inspected(database, monitored, hour)
        assert findings.states["drift"] == expected
    # It began with the first of the two.
    assert findings.since == NOON
    assert len(findings.windows) == 3
    assert findings.headline.startswith("The images have changed")
    assert findings.harm.suspected
    assert findings.states["accuracy"] == "alarm"


def test_the_same_window_twice_counts_once(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, turned(production.images(0)))
    assert inspected(database, monitored).states["drift"] == "warn"
    assert inspected(database, monitored).states["drift"] == "warn"


def test_an_alarm_outlives_the_version_and_all_of_the_window_is_looked_at(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    old = replace(production.version, version="old")
    replaced = replace(monitored, version=old)
    for hour in (0, 1):
        pixels = turned(production.images(hour))
        keep(database, old, pixels, at=NOON + hour * HOUR, prefix=str(hour))
        found = inspected(database, replaced, hour)
    assert found.state == "alarm"
    # Within the next window a new version takes over.
    keep(database, old, production.images(2, 60), at=NOON + 2 * HOUR, prefix="2")
    keep(database, production.version, production.images(3, 60), at=NOON + 2 * HOUR, prefix="3")
    found = inspected(database, monitored, 2)
    assert (found.states["drift"], found.inherited) == ("alarm", "old")
    assert (len(found.data), found.others) == (120, {"old": 60})
    text = " ".join(sentences(found, "drift"))
    assert "60 predictions by watched:old, whose images were looked at too, as " in text
    assert "The change began while watched:old answered" in text
    assert Document.of(found).answered == {"old": 60, production.version.version: 60}
    # Only its own images can tell how accurate it is.
    assert all(found.data.own[row] for row in found.harm.label_first)
    # Calm windows of its own end it.
    keep(database, production.version, production.images(0), at=NOON + 3 * HOUR, prefix="4")
    found = inspected(database, monitored, 3)
    assert (found.states["drift"], found.inherited) == ("calm", None)


def test_a_version_by_itself_knows_nothing_of_others(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    other = replace(production.version, version="old")
    keep(database, other, turned(production.images(0)))
    save_reports(database, inspect(database, replace(monitored, version=other), NOON - HOUR, NOON))
    alone = inspect(database, monitored, NOON, NOON + HOUR, alone=True)
    assert (len(alone.windows), len(alone.data)) == (1, 0)


def test_a_sample_is_said_to_be_one(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    pixels = np.tile(production.images(0), (18, 1))
    keep(database, production.version, pixels)
    found = inspect(database, monitored, NOON - HOUR, NOON)
    assert (len(found.data.records), found.data.total) == (2000, 2160)
    looked = "Looked at: 2,000 of the window's 2,160 predictions, drawn at random."
    assert looked in Document.of(found).looked_at
    assert looked in Document.of(found).text
    assert looked in " ".join(sentences(found, "drift"))
    assert "2,000 images looked at: " in one_line(found)
    assert " of 1,000 images)" in one_line(found)


def test_reports_are_kept(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0))
    findings = inspected(database, monitored)
    rows = {row.kind: row for row in history(database, "watched")}
    assert rows.keys() == {"drift", "accuracy", "quality"}
    assert rows["drift"].p_value == findings.drift.p_value
    assert (rows["drift"].window_start, rows["drift"].window_end) == (NOON - HOUR, NOON)
    assert rows["drift"].images == findings.drift.images
    assert json.loads(rows["quality"].body)["state"] == "calm"
    assert json.loads(rows["accuracy"].body)["harm"]["state"] == "calm"


def test_too_few_images(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    keep(database, production.version, production.images(0, 20))
    findings = inspected(database, monitored)
    assert (findings.state, findings.drift.evidence) == ("unknown", None)
    assert findings.headline == "Not enough data."


def test_no_image_at_all(monitored: MonitoredVersion, database: Database) -> None:
    findings = inspected(database, monitored)
    assert findings.state == "unknown"
    assert set(findings.states.values()) <= {"unknown", "calm"}


def test_labels_give_the_accuracy(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    names = keep(database, production.version, turned(production.images(0)))
    give_labels(database, names, production.truth(0))
    findings = inspected(database, monitored)
    assert findings.judged_by_labels
    assert findings.accuracy.images == 120
    assert findings.accuracy.accuracy is not None
    assert findings.accuracy.accuracy.value < 0.6
    assert findings.states["accuracy"] == "alarm"
    assert "accuracy has dropped" in findings.headline


def test_labels_that_came_late_are_taken_from_before_the_window(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    names = keep(database, production.version, production.images(0), at=NOON - 24 * HOUR)
    give_labels(database, names, production.truth(0))
    keep(database, production.version, production.images(1), prefix="now")
    findings = inspected(database, monitored)
    assert findings.accuracy.images == 120
    assert findings.labels_since < NOON - 24 * HOUR
    assert not findings.judged_by_labels
    assert findings.states["accuracy"] == "calm"


def test_earlier_labels_do_not_clear_a_suspicion(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    names = keep(database, production.version, production.images(0), at=NOON - 24 * HOUR)
    give_labels(database, names, production.truth(0))
    keep(database, production.version, turned(production.images(1)), prefix="now")
    findings = inspected(database, monitored)
    assert findings.accuracy.state == "calm"
    assert findings.states["accuracy"] == "alarm"
    assert "accuracy is suspected to have dropped" in findings.headline


def test_labels_and_suspicion_are_reported_once(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    names = keep(database, production.version, turned(production.images(0)), at=NOON - 24 * HOUR)
    give_labels(database, names, production.truth(0))
    keep(database, production.version, turned(production.images(1)), prefix="now")
    findings = inspected(database, monitored)
    assert findings.harm.suspected
    assert not findings.judged_by_labels
    assert findings.headline.count("dropped") == 1
    assert "accuracy has dropped" in findings.headline


def test_a_version_without_data_reports_what_it_needs(
    production: Production, database: Database, tmp_path: Path
) -> None:
    other = Store(tmp_path / "models").save(LinearDraft(name="foreign"))
    keep(database, other, production.images(0))
    findings = inspect(database, MonitoredVersion.of(other), NOON - HOUR, NOON)
    assert findings.state == "unknown"
    assert "provide labelled images with --data" in findings.drift.reason
