"""The watch with a clock of the test's."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from models.store import Store
from monitor.watching import MAX_LENGTH, RETRY, Watcher, next_start
from monitor.window.history import PastWindow
from records.database import Database
from records.reports import history
from tests.monitor.production import HOUR, NOON, Production, keep, turned
from tests.monitor.report.test_webhook import listening


def window(start: float, end: float, *, extensible: bool = False) -> PastWindow:
    evidence = None if extensible else 0.5
    return PastWindow(NOON + start * HOUR, NOON + end * HOUR, 100, "calm", evidence, extensible)


def test_the_first_window_is_as_long_as_the_others_will_be() -> None:
    assert next_start([], NOON, HOUR) == NOON - HOUR


def test_a_window_begins_where_the_last_one_ended() -> None:
    assert next_start([window(-3, -2), window(-2, -1)], NOON, HOUR) == NOON - HOUR
    assert next_start([window(-9, -8)], NOON, HOUR) == NOON - 8 * HOUR


def test_a_window_with_too_few_images_is_extended() -> None:
    windows = [window(-3, -2), window(-2, -1, extensible=True)]
    assert next_start(windows, NOON, HOUR) == NOON - 2 * HOUR
    assert next_start([window(-2, -1, extensible=True)], NOON, HOUR) == NOON - 2 * HOUR


def test_a_window_has_a_maximal_length() -> None:
    assert next_start([window(-900, -800)], NOON, HOUR) == NOON - MAX_LENGTH
    month = timedelta(days=30)
    assert next_start([window(-9000, -8000)], NOON, month) == NOON - month


@pytest.fixture
def watcher(production: Production, database: Database) -> Watcher:
    keep(database, production.version, production.images(0))
    return Watcher(database, Store(), HOUR)


def inspect(watcher: Watcher, hour: float) -> list[str]:
    return list(watcher.inspect(NOON + hour * HOUR))


def test_one_line_for_each_inspection(watcher: Watcher, production: Production) -> None:
    (line,) = inspect(watcher, 0)
    assert line.startswith(f"{production.version.tag} 2030-01-31 11:00 to 2030-01-31 12:00 120 ")
    assert "images: CALM (drift calm, accuracy unknown, quality calm, p " in line
    assert watcher.pause(NOON + HOUR / 4) == 2700


def test_nothing_is_inspected_before_it_is_due(watcher: Watcher) -> None:
    assert inspect(watcher, 0)
    # As after a restart.
    again = Watcher(watcher.database, watcher.store, HOUR)
    assert inspect(again, 0.75) == []
    assert again.pause(NOON + 0.75 * HOUR) == 900
    assert inspect(again, 1)


def test_the_first_look_is_not_delayed(watcher: Watcher) -> None:
    assert inspect(watcher, 0)
    again = Watcher(watcher.database, watcher.store, 24 * HOUR, at_once=True)
    (line,) = inspect(again, 0.5)
    assert " 2030-01-31 12:00 to 2030-01-31 12:30 " in line
    assert inspect(again, 1) == []
    # As by a supervisor that starts it each second.
    third = Watcher(watcher.database, watcher.store, 24 * HOUR, at_once=True)
    assert inspect(third, 0.501) == []


def test_a_model_that_was_asked_for_and_is_unknown_is_a_failure(watcher: Watcher) -> None:
    watcher.model = "nobody"
    (line,) = inspect(watcher, 0)
    assert line.startswith("The store has no model 'nobody'")
    assert watcher.failed
    assert (inspect(watcher, 1), watcher.failed) == ([], True)


def test_a_window_that_ends_in_the_future_is_not_waited_for(
    watcher: Watcher, production: Production
) -> None:
    assert inspect(watcher, 100)
    pixels = production.images(1)
    keep(watcher.database, production.version, pixels, at=NOON + HOUR, prefix="b")
    again = Watcher(watcher.database, watcher.store, HOUR)
    (line,) = inspect(again, 1)
    assert " 2030-01-31 12:00 to 2030-01-31 13:00 " in line


def test_windows_follow_one_another_until_the_alarm(
    watcher: Watcher, production: Production, tmp_path: Path
) -> None:
    inspect(watcher, 0)
    for hour in (1, 2):
        pixels = turned(production.images(hour))
        keep(
            watcher.database,
            production.version,
            pixels,
            at=NOON + hour * HOUR,
            prefix=str(hour),
        )
        # A page takes longer than everything else.
        watcher.html = tmp_path if hour == 2 else None
        (line,) = inspect(watcher, hour)
    assert "ALARM (drift alarm, " in line
    rows = history(watcher.database, "watched", "drift")
    assert [row.window_start for row in rows] == [NOON + HOUR, NOON, NOON - HOUR]
    assert "The images have changed" in (tmp_path / "watched.html").read_text()


def test_the_webhook_is_notified_of_changes_only(watcher: Watcher, production: Production) -> None:
    with listening(404) as listener:
        watcher.webhook = listener.url
        first, failure = inspect(watcher, 0)
        assert "CALM" in first
        assert failure == "The webhook at 127.0.0.1 answered 404."
        keep(watcher.database, production.version, production.images(1), at=NOON + HOUR, prefix="b")
        # What was not delivered is delivered now; after that, nothing changes.
        assert len(inspect(watcher, 1)) == 1
        keep(
            watcher.database,
            production.version,
            production.images(2),
            at=NOON + 2 * HOUR,
            prefix="c",
        )
        assert len(inspect(watcher, 2)) == 1
    reports = [json.loads(body) for body in listener.bodies]
    assert [(report["before"], report["state"]) for report in reports] == [
        (None, "calm"),
        ("calm", "calm"),
    ]


def test_a_night_without_images_is_not_news(watcher: Watcher, production: Production) -> None:
    with listening() as listener:
        watcher.webhook = listener.url
        assert "CALM" in inspect(watcher, 0)[0]
        assert "UNKNOWN" in inspect(watcher, 1)[0]
        pixels = production.images(1)
        keep(watcher.database, production.version, pixels, at=NOON + 2 * HOUR, prefix="b")
        assert "CALM" in inspect(watcher, 2)[0]
    assert len(listener.bodies) == 1


def test_an_unavailable_database_is_waited_for(watcher: Watcher, tmp_path: Path) -> None:
    file = watcher.database.file
    assert file is not None
    watcher.database.close()
    file.rename(tmp_path / "away")
    (line,) = inspect(watcher, 0)
    assert line.startswith("No model was inspected: ")
    assert watcher.pause(NOON) == RETRY.total_seconds()
    (tmp_path / "away").rename(file)
    assert "CALM" in inspect(watcher, 0.02)[0]


def test_a_page_that_cannot_be_written_loses_nothing(watcher: Watcher, tmp_path: Path) -> None:
    watcher.html = tmp_path / "nowhere" / "report.html"
    line, fault = inspect(watcher, 0)
    assert "CALM" in line
    assert fault == f"{watcher.html} cannot be written: No such file or directory."
    assert len(history(watcher.database, "watched")) == 3


def test_a_model_that_is_not_in_the_store_is_reported_once(watcher: Watcher) -> None:
    file = watcher.database.file
    assert file is not None
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("update predictions set model = 'gone'")
    (line,) = inspect(watcher, 0)
    assert line.startswith("The store has no model 'gone'")
    assert inspect(watcher, 1) == []
