"""The loop's numbers, in both databases."""

from records.champions import promote
from records.database import Database
from records.loop import standing
from records.requests import ask
from records.retrainings import advance, begin
from records.windows import window
from tests.records.rows import keep, label, row


def test_an_empty_database_has_none(database: Database) -> None:
    found = standing(database)
    assert (found.retrainings, found.decisions, found.requests) == ({}, {}, {})


def test_the_newest_retraining_of_each_model(database: Database) -> None:
    failed = begin(database, "clf", "age", "old", "v1")
    advance(database, failed.id, "failed")
    now = begin(database, "clf", "age", "old", "v1")
    other = begin(database, "shapes", "asked", "asked for", "s1")
    ended = advance(database, other.id, "refused")
    assert standing(database).retrainings == {
        "clf": ("training", now.started_at),
        "shapes": ("refused", ended.ended_at),
    }


def test_the_last_decision_of_each_kind(database: Database) -> None:
    for version in ("v1", "v2"):
        last = promote(database, "clf", version, actor="me", because="so", answering="v0")
    found = standing(database).decisions
    assert found.keys() == {("clf", "found"), ("clf", "promote")}
    assert found["clf", "promote"] == last.at


def test_requests_without_a_label_by_how_they_were_drawn(database: Database) -> None:
    keep(database, row("1"), row("2"), row("3"), row("4", model="shapes"))
    ids = {one.request_id: one.id for one in window(database, "clf")}
    ids |= {one.request_id: one.id for one in window(database, "shapes")}
    ask(database, [ids["1"]], "random")
    ask(database, [ids["2"], ids["3"], ids["4"]], "rollout", 1)
    label(database, "1", 8)
    label(database, "3", 8)
    assert standing(database).requests == {
        ("clf", "random"): 0,
        ("clf", "rollout"): 1,
        ("shapes", "rollout"): 1,
    }
