"""Verdicts of the gate."""

from dataclasses import replace

from records.database import Database
from records.verdicts import VerdictRow, save, verdicts
from tests.records.rows import NOON

VERDICT = VerdictRow(NOON, "clf", "a", "b", "passed", "{}")


def test_verdicts_newest_first(database: Database) -> None:
    first = save(database, VERDICT)
    second = save(database, replace(VERDICT, challenger="c", outcome="refused"))
    assert first == replace(VERDICT, id=1)
    assert verdicts(database, "clf") == [second, first]
    assert verdicts(database, "clf", "b") == [first]
    assert verdicts(database, "other") == []
