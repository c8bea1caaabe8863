"""Which workers are alive, and what they have."""

from datetime import timedelta

from records.database import Database
from records.workers import alive, report, sign_off


def test_a_worker_says_what_it_has(database: Database) -> None:
    report(database, "host-1", 3, ["clf:b", "clf:a"])
    report(database, "host-2", 0, [])
    report(database, "host-1", 4, ["clf:b"])
    first, second = alive(database)
    assert (first.id, first.decision, first.versions) == ("host-1", 4, frozenset({"clf:b"}))
    assert (second.id, second.decision, second.versions) == ("host-2", 0, frozenset())


def test_who_has_ended_or_gone_silent_is_not_waited_for(database: Database) -> None:
    report(database, "host-1", 0, [])
    report(database, "host-2", 0, [])
    sign_off(database, "host-1")
    assert [worker.id for worker in alive(database)] == ["host-2"]
    assert alive(database, timedelta(seconds=-1)) == []
