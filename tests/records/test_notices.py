"""What the webhook has been told, in both databases."""

from datetime import UTC, datetime

from records.champions import promote
from records.database import Database
from records.notices import Notice, begin, told, untold
from records.retrainings import advance
from records.retrainings import begin as begin_retraining
from records.rollouts import finish, start

NOW = datetime(2030, 1, 2, tzinfo=UTC)


def promoted(database: Database, version: str) -> None:
    promote(database, "clf", version, actor="me", because="why not", answering="v0")


def next_ones(database: Database, limit: int = 100) -> list[Notice]:
    found = untold(database, limit)
    assert found is not None
    return found


def test_it_begins_with_what_comes_then(database: Database) -> None:
    promoted(database, "v1")
    old = begin_retraining(database, "clf", "age", "old", "v1")
    advance(database, old.id, "failed", detail="no data")
    open_one = begin_retraining(database, "clf", "age", "old", "v1")
    assert untold(database, 100) is None
    begin(database, NOW)
    assert next_ones(database) == []
    promoted(database, "v2")
    advance(database, open_one.id, "refused", challenger="v3")
    begin(database, NOW)
    assert [(one.kind, one.version) for one in next_ones(database)] == [
        ("decision", "v2"),
        ("retraining", "v3"),
    ]


def test_what_was_told_is_told_no_more_and_the_rest_is_in_order(database: Database) -> None:
    begin(database, NOW)
    promoted(database, "v1")
    promoted(database, "v2")
    # The first is "found": who answered before.
    found, first, second = next_ones(database)
    assert [one.version for one in (found, first, second)] == ["v0", "v1", "v2"]
    for one in (found, first):
        told(database, one, NOW)
        told(database, one, NOW)
    assert next_ones(database) == [second]
    assert len(next_ones(database, 1)) == 1


def test_retrainings_may_end_in_another_order_than_they_began(database: Database) -> None:
    begin(database, NOW)
    one = begin_retraining(database, "clf", "age", "old", "v1")
    other = begin_retraining(database, "shapes", "age", "old", "v1")
    advance(database, other.id, "done")
    (first,) = next_ones(database)
    assert first.what.id == other.id
    told(database, first, NOW)
    advance(database, one.id, "failed")
    assert [notice.what.id for notice in next_ones(database)] == [one.id]


def test_the_version_of_a_rollout_is_its_challenger(database: Database) -> None:
    begin(database, NOW)
    begun = start(
        database,
        "clf",
        "v2",
        actor="me",
        because="to see",
        answering="v1",
        shadow=0.1,
        rule={},
    )
    finish(database, begun, "harm", actor="guard", because="it is worse")
    assert [one.version for one in next_ones(database)] == ["v1", "v2", "v2"]
