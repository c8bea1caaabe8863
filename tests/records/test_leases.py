"""Leases across owners, and after a crash."""

from datetime import timedelta

from records.database import Database
from records.leases import give_back, holder, leased, take

MINUTE = timedelta(minutes=1)
OVER = timedelta(seconds=-1)


def test_one_owner_at_a_time(database: Database) -> None:
    assert take(database, "retrain clf", "one", MINUTE)
    assert not take(database, "retrain clf", "two", MINUTE)
    assert take(database, "retrain other", "two", MINUTE)
    found = holder(database, "retrain clf")
    assert found is not None
    assert found[0] == "one"


def test_an_owner_may_renew(database: Database) -> None:
    take(database, "retrain", "one", MINUTE)
    before = holder(database, "retrain")
    assert take(database, "retrain", "one", 2 * MINUTE)
    after = holder(database, "retrain")
    assert before is not None
    assert after is not None
    assert after[1] > before[1]


def test_the_lease_of_a_crashed_owner_ends_by_itself(database: Database) -> None:
    take(database, "retrain", "one", OVER)
    assert holder(database, "retrain") is None
    assert take(database, "retrain", "two", MINUTE)


def test_only_the_owner_gives_it_back(database: Database) -> None:
    take(database, "retrain", "one", MINUTE)
    give_back(database, "retrain", "two")
    assert holder(database, "retrain") is not None
    give_back(database, "retrain", "one")
    assert holder(database, "retrain") is None


def test_a_block_has_it_or_not(database: Database) -> None:
    with leased(database, "retrain", "one", MINUTE) as first:
        with leased(database, "retrain", "two", MINUTE) as second:
            assert (first, second) == (True, False)
        assert holder(database, "retrain") is not None
    assert holder(database, "retrain") is None
