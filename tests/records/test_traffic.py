"""Sums of what is counted by minute."""

from datetime import timedelta

from records.database import Database
from records.traffic import TrafficKey, totals
from records.writer import write
from tests.records.rows import NOON


def test_minutes_are_added_up(database: Database) -> None:
    minutes = [NOON + timedelta(minutes=number) for number in range(3)]
    counts: dict[TrafficKey, int] = {
        (minute, "clf", "a", "champion", "status", "200"): 10**number
        for number, minute in enumerate(minutes)
    }
    write(database, [], counts | {(NOON, "other", "a", "champion", "status", "200"): 5})
    key = ("a", "champion", "status", "200")
    assert totals(database, "clf", NOON) == {key: 111}
    assert totals(database, "clf", minutes[1], minutes[2]) == {key: 10}
    assert totals(database, "clf", minutes[2] + timedelta(minutes=1)) == {}
