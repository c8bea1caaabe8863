from dataclasses import replace

from records.database import Database
from records.reports import ReportRow, history, latest, save
from tests.records.rows import NOON

REPORT = ReportRow(NOON, "clf", "clf:a", "drift", NOON, None, 500, "calm", 0.25, '{"a": "é"}')


def test_a_report_is_read_as_it_was_saved(database: Database) -> None:
    saved = save(database, REPORT)
    assert saved.id is not None
    assert replace(saved, id=None) == REPORT
    assert history(database) == [saved]


def test_the_history_is_the_newest_first(database: Database) -> None:
    for images in range(5):
        save(database, replace(REPORT, images=images, p_value=None))
    save(database, replace(REPORT, kind="quality"))
    save(database, replace(REPORT, model="m"))
    assert [one.images for one in history(database, "clf", "drift", 3)] == [4, 3, 2]
    assert len(history(database)) == 7


def test_the_latest_of_every_model_and_kind(database: Database) -> None:
    assert latest(database) == []
    for state in ("calm", "alarm"):
        save(database, replace(REPORT, state=state))
    save(database, replace(REPORT, kind="accuracy", state="unknown"))
    save(database, replace(REPORT, model="m", state="warn"))
    assert [(one.model, one.kind, one.state) for one in latest(database)] == [
        ("clf", "accuracy", "unknown"),
        ("clf", "drift", "alarm"),
        ("m", "drift", "warn"),
    ]
