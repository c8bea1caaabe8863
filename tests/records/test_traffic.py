"""Sums of what is counted by minute."""

from datetime import timedelta

import pytest

from records.database import Database
from records.traffic import TrafficKey, change_key, changed, totals
from records.writer import write
from tests.records.rows import NOON


@pytest.mark.parametrize(("before", "after"), [("8", "3"), ('"a>b"', '"c"'), ('"\\">"', "8")])
def test_a_change_is_read_as_it_was_written(before: str, after: str) -> None:
    assert changed(change_key(before, after)) == (before, after)


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
