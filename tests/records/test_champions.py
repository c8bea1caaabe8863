"""Who is champion, and what promoting and rolling back leaves behind."""

import logging
import threading
from itertools import pairwise

import pytest
from sqlalchemy import delete, update

from errors import RecordsError, RolloutError
from records.champions import keep, promote, protected, rollback, routings
from records.database import Database
from records.decisions import history
from records.rollout_schema import decisions
from records.rollouts import start
from records.routing import Routing


def promoted(database: Database, version: str, answering: str = "a") -> None:
    promote(database, "clf", version, actor="ann", because="tests", answering=answering)


def back(database: Database) -> str | None:
    return rollback(database, "clf", actor="ann", because="tests").after


def champion(database: Database) -> str | None:
    known = routings(database)[1]
    assert known is not None
    return known["clf"].champion if "clf" in known else None


def test_nobody_is_champion_before_anybody_decided(database: Database) -> None:
    assert routings(database) == (0, {})
    assert protected(database, "clf") == {}


def test_a_promotion_notes_who_answered_before(database: Database) -> None:
    promoted(database, "b")
    assert champion(database) == "b"
    first, noted = history(database, "clf")
    assert (noted.action, noted.before, noted.after) == ("found", None, "a")
    assert (first.action, first.before, first.after) == ("promote", "a", "b")
    assert (first.actor, first.because) == ("ann", "tests")


def test_a_decision_is_logged_once_it_is_committed(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pupila.records")
    promoted(database, "b")
    found = [vars(line)["fields"] for line in caplog.records]
    assert [(one["action"], one["after"]) for one in found] == [("found", "a"), ("promote", "b")]
    caplog.clear()
    with pytest.raises(RolloutError):
        rollback(database, "other", actor="ann", because="tests")
    assert caplog.messages == []


def test_what_was_not_decided_is_not_read_again(database: Database) -> None:
    promoted(database, "b")
    number, known = routings(database)
    assert known == {"clf": Routing("clf", "b")}
    assert routings(database, number) == (number, None)
    promoted(database, "c")
    assert routings(database, number)[0] > number


def test_rollbacks_retrace_promotions(database: Database) -> None:
    promoted(database, "b")
    promoted(database, "c")
    promoted(database, "b")
    assert [back(database), back(database), back(database)] == ["c", "b", "a"]
    with pytest.raises(RolloutError, match="'clf' cannot be rolled back: clf:a has no predecessor"):
        back(database)
    promoted(database, "d")
    assert back(database) == "a"


def test_what_answers_is_kept_before_another_version_comes(database: Database) -> None:
    numbers = {"losses": 20}
    kept = keep(database, "clf", "a", actor="ann", because="b is worse", numbers=numbers)
    assert (kept, champion(database)) == ("a", "a")
    (found,) = history(database, "clf")
    assert (found.action, found.because, found.numbers) == ("found", "b is worse", numbers)
    assert keep(database, "clf", "z", actor="ann", because="") == "a"
    assert len(history(database, "clf")) == 1


def test_a_rollback_leads_to_a_version_that_exists(database: Database) -> None:
    promoted(database, "b")
    with pytest.raises(RolloutError, match="clf:a, which was champion before, is not in the store"):
        rollback(database, "clf", actor="ann", because="", known={"b", "c"})
    assert champion(database) == "b"
    assert rollback(database, "clf", actor="ann", because="", known={"a", "b"}).after == "a"


def test_a_model_that_was_never_promoted_cannot_be_rolled_back(database: Database) -> None:
    with pytest.raises(RolloutError, match="cannot be rolled back: it has no alias yet"):
        back(database)


def test_a_champion_cannot_be_promoted(database: Database) -> None:
    with pytest.raises(RolloutError, match="clf:a is the champion already"):
        promoted(database, "a")
    assert routings(database) == (0, {})


def test_a_rollback_ends_a_rollout(database: Database) -> None:
    promoted(database, "b")
    start(database, "clf", "c", actor="ann", because="", answering="b", shadow=0.1, rule={})
    with pytest.raises(RolloutError, match="Rollout 1 of clf:c is going on"):
        promoted(database, "d")
    assert protected(database, "clf") == {
        "a": "the version that a rollback would return to",
        "b": "the champion",
        "c": "the challenger",
    }
    assert back(database) == "a"
    assert [one.action for one in history(database, "clf")][:2] == ["rollback", "abort"]
    assert routings(database)[1] == {"clf": Routing("clf", "a")}


def test_decisions_are_only_ever_added(database: Database) -> None:
    promoted(database, "b")
    for statement in (delete(decisions), update(decisions).values(because="else")):
        with (
            pytest.raises(RecordsError, match="decisions table is append-only"),
            database.writing() as connection,
        ):
            connection.execute(statement)


def test_two_who_decide_at_the_same_time_take_turns(database: Database) -> None:
    promoted(database, "b")
    threads = [threading.Thread(target=promoted, args=(database, version)) for version in "cdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    chain = [(one.before, one.after) for one in history(database, "clf")[::-1]]
    assert all(now[0] == before[1] for before, now in pairwise(chain))
    assert len(chain) == 8
