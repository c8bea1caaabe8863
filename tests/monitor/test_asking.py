"""The monitor asks for labels by itself; how many and which: tests/pipeline/test_asking.py."""

from datetime import UTC, datetime

from models.store import Store
from monitor.asking import asked
from monitor.inspection import inspect
from monitor.report.advice import steps
from monitor.report.document import Document
from monitor.report.page import render
from monitor.watching import Watcher
from monitor.window.version import MonitoredVersion
from records.database import Database
from records.labelled import open_requests
from tests.monitor.production import HOUR, Production, give_labels, keep


def test_a_seventh_of_a_week_is_asked_for_and_the_report_says_so(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    now = datetime.now(UTC)
    names = keep(database, production.version, production.images(0), at=now)
    truth = dict(zip(names, production.truth(0), strict=True))
    found = inspect(database, monitored, now - HOUR, now)
    found = asked(database, found, 100)
    assert found.asked == 15
    assert found.without_labels == (
        "Nobody has labelled images of the last 30 days. 15 images drawn "
        "at random wait for a label."
    )
    document = Document.of(found)
    assert (document.asked, document.without_labels) == (15, found.without_labels)
    assert found.without_labels in render(found)
    assert steps(found)[0].command == "python -m pipeline ask --model watched --json"
    waiting = [one.request_id for one in open_requests(database, "watched")]
    assert len(waiting) == 15
    give_labels(database, waiting, [truth[name] for name in waiting])
    again = asked(database, inspect(database, monitored, now - HOUR, now), 100)
    assert (again.asked, again.without_labels) == (0, "")
    # Fifteen are not enough to judge it.
    assert again.states["accuracy"] == "unknown"


def test_with_none_a_week_nothing_is_asked_for(
    production: Production, monitored: MonitoredVersion, database: Database
) -> None:
    now = datetime.now(UTC)
    keep(database, production.version, production.images(0), at=now)
    assert asked(database, inspect(database, monitored, now - HOUR, now), 0).asked == 0


def test_watching_asks_too(production: Production, database: Database) -> None:
    now = datetime.now(UTC)
    keep(database, production.version, production.images(0), at=now)
    watcher = Watcher(database, Store(), HOUR, per_week=70)
    (line,) = watcher.inspect(now)
    assert line.endswith("10 images drawn at random wait for a label.")
    assert len(open_requests(database, "watched")) == 10
