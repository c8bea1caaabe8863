"""A lease that is renewed while its block runs."""

from datetime import timedelta

from pipeline.lease import renewed
from records.database import Database
from records.leases import give_back, holder, take
from tests.waiting import until

SHORT = timedelta(milliseconds=200)


def test_nobody_else_gets_it_meanwhile(database: Database) -> None:
    with renewed(database, "clf") as first, renewed(database, "clf") as second:
        assert first is not None
        assert second is None
    assert holder(database, "clf") is None


def test_it_is_renewed_for_as_long_as_the_block_runs(database: Database) -> None:
    with renewed(database, "clf", SHORT) as held:
        assert held is not None
        first = holder(database, "clf")
        assert first is not None
        until(
            lambda: (now := holder(database, "clf")) is not None and now[1] > first[1] + 3 * SHORT
        )
        assert not held.lost.is_set()


def test_whoever_loses_it_is_told(database: Database) -> None:
    with renewed(database, "clf", SHORT) as held:
        assert held is not None
        give_back(database, "clf", held.owner)
        take(database, "clf", "another", timedelta(hours=1))
        until(held.lost.is_set)
    found = holder(database, "clf")
    assert found is not None
    assert found[0] == "another"
