"""The budget of bytes: what goes, what stays, and when nothing is touched."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete as delete_from

from records.budget import Budget, standing
from records.database import Database
from records.schema import budgets
from records.traffic import traffic
from records.usage import Meter, used_bytes
from records.windows import window
from records.writer import write
from tests.records.rows import NOON, keep, label, row

IMAGE = bytes(range(256)) * 40
LIMIT = 3_000_000


def fill(database: Database, count: int, first: int = 0) -> None:
    keep(database, *[row(str(i), minutes=i, image=IMAGE) for i in range(first, first + count)])


def kept(database: Database) -> list[int]:
    return [int(one.request_id) for one in window(database, "clf", limit=None, with_images=False)]


def forget(database: Database) -> None:
    """As a database from before there were budgets."""
    with database.writing() as connection:
        connection.execute(delete_from(budgets))


def test_the_oldest_go_and_what_has_a_label_stays(database: Database) -> None:
    fill(database, 400)
    label(database, "0", 3)
    found = Budget(database, LIMIT).keep()
    assert found.state == "pruned"
    assert 0.8 * LIMIT < used_bytes(database) <= 0.91 * LIMIT
    first, *others = kept(database)
    assert first == 0
    assert others == list(range(400 - len(others), 400))
    assert found.rows == 400 - len(others) - 1
    assert found.image_bytes == found.rows * len(IMAGE)


def test_it_holds_while_records_come(database: Database) -> None:
    budget = Budget(database, LIMIT)
    for first in range(0, 700, 100):
        fill(database, 100, first)
        assert budget.keep().bytes <= 0.95 * LIMIT
    assert kept(database)[-1] == 699
    if database.file:
        # Freed pages are used again, in place of new ones at the end of the file.
        assert database.file.stat().st_size < 1.1 * LIMIT


def test_below_it_nothing_is_deleted(database: Database) -> None:
    fill(database, 100)
    assert Budget(database, LIMIT).keep().state == "within"
    assert len(kept(database)) == 100


def test_no_limit(database: Database) -> None:
    fill(database, 100)
    assert Budget(database, 0).keep().state == "within"
    assert len(kept(database)) == 100
    # Whoever sets one later does not lose what was kept without.
    assert Budget(database, 500_000).keep().state == "waiting"


def test_a_database_that_had_more_before_is_left_alone_until_it_is_within(
    database: Database,
) -> None:
    fill(database, 400)
    forget(database)
    assert Budget(database, LIMIT).keep().state == "waiting"
    assert Budget(database, LIMIT).keep().state == "waiting"
    assert len(kept(database)) == 400
    assert Budget(database, 10 * LIMIT).keep().state == "within"
    found = standing(database)
    assert found is not None
    assert found.since is not None
    # It applies from then on, also if it is set lower later.
    assert Budget(database, LIMIT).keep().state == "pruned"


def test_labels_alone_are_more_than_it(database: Database) -> None:
    fill(database, 60)
    for number in range(60):
        label(database, str(number), 3)
    assert Budget(database, 400_000).keep().state == "full"
    assert len(kept(database)) == 60


def test_old_counts_go_first(database: Database) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    for days in (60, 1):
        at = now - timedelta(days=days)
        write(database, [], {(at, "clf", "v", "champion", "status", "200"): 1})
    fill(database, 400)
    Budget(database, LIMIT).keep()
    assert [one.minute for one in traffic(database)] == [now - timedelta(days=1)]


def test_it_stops_when_told(database: Database) -> None:
    fill(database, 400)
    assert Budget(database, LIMIT).keep(lambda: True).rows == 0


def test_what_is_counted_follows_what_comes_and_goes(database: Database) -> None:
    meter = Meter(database)
    fill(database, 10)
    before = meter.read()
    fill(database, 100, 10)
    grown = meter.read() - before
    assert 0.9 * 100 * len(IMAGE) < grown < 1.3 * 100 * (len(IMAGE) + 256)
    if database.dialect == "postgresql":
        assert meter.read() == used_bytes(database)


def test_a_new_database_keeps_it_from_the_start(database: Database) -> None:
    found = standing(database)
    assert found is not None
    assert found.since is not None
    assert found.since < NOON
