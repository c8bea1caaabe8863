"""What could be labelled next, who labels, and the taking back of a label."""

from datetime import UTC, datetime

import numpy as np

from console.queue import queue
from records.candidates import Candidate
from records.database import Database
from records.labellers import labellers, withdraw
from records.labels import NewLabel, add
from records.lookup import find, image_of
from records.prediction import KeptPrediction
from records.requests import ask
from records.writer import add_predictions
from tests.console.scene import digit

NOW = datetime(2030, 1, 31, 12, tzinfo=UTC)


def place(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def keep(database: Database, count: int) -> None:
    """Predictions 1 to ``count``, of which each is less sure than the one before."""
    kept = [
        KeptPrediction(
            request_id=f"r{number}",
            model="clf",
            version="v1",
            at=NOW,
            image=digit(number)[0],
            label=number % 10,
            confidence=1 - number / 100,
            probabilities=place(1 - number / 100, number / 100),
        )
        for number in range(1, count + 1)
    ]
    with database.writing() as connection:
        add_predictions(connection, kept)


def label(database: Database, number: int, value: int, source: str = "ann") -> None:
    add(database, [NewLabel(f"r{number}", value, "clf", source=source)], lambda _: range(10))


def ids(found: list[Candidate]) -> list[int]:
    return [one.id for one in found]


def test_the_least_sure_first_and_none_that_has_a_label(database: Database) -> None:
    keep(database, 30)
    label(database, 30, 0)
    found = queue(database, "clf", None, "ann", (), 50)
    assert found[0].id == 29
    assert 30 not in ids(found)
    assert {one.why for one in found} == {"unsure"}


def test_what_was_asked_for_comes_before_it(database: Database) -> None:
    keep(database, 30)
    ask(database, [3], "monitor")
    ask(database, [4], "random")
    found = queue(database, "clf", None, "ann", (), 50)
    assert [(one.id, one.why) for one in found[:2]] == [(3, "monitor"), (4, "random")]


def test_what_was_skipped_does_not_come_again(database: Database) -> None:
    keep(database, 5)
    assert 5 not in ids(queue(database, "clf", None, "ann", {5}, 50))


def test_a_label_that_the_model_contradicts_is_looked_at_by_another(database: Database) -> None:
    keep(database, 5)
    label(database, 2, 7)
    found = queue(database, "clf", None, "bob", (), 50)
    assert [(one.id, one.given) for one in found if one.why == "doubted"] == [(2, 7)]
    mine = queue(database, "clf", None, "ann", (), 50)
    assert [one for one in mine if one.why == "doubted"] == []


def test_a_request_whose_id_was_used_again_is_left_out(database: Database) -> None:
    keep(database, 3)
    keep(database, 1)
    assert 1 not in ids(queue(database, "clf", None, "ann", (), 50))
    assert 4 in ids(queue(database, "clf", None, "ann", (), 50))


def test_a_label_is_taken_back_and_the_one_before_counts_again(database: Database) -> None:
    keep(database, 1)
    label(database, 1, 3)
    label(database, 1, 4)
    assert withdraw(database, 1, "ann", "ann") == 4
    assert labellers(database, "clf", NOW).counts == {"ann": 1}
    assert withdraw(database, 1, "bob", "bob") is None
    assert withdraw(database, 1, "ann", "ann") == 3
    assert withdraw(database, 1, "ann", "ann") is None


def test_how_often_two_people_agree(database: Database) -> None:
    keep(database, 3)
    for number in (1, 2, 3):
        label(database, number, 5)
        label(database, number, 5 if number < 3 else 6, "bob")
    (both,) = labellers(database, "clf", NOW).agreements
    assert (both.first, both.second, both.both, both.same) == ("ann", "bob", 3, 2)


def test_a_prediction_by_its_number(database: Database) -> None:
    keep(database, 1)
    found = find(database, 1)
    assert found is not None
    assert (found.request_id, found.model, found.rollout_id) == ("r1", "clf", None)
    assert image_of(database, 1) == ("clf", digit(1)[0])
    assert find(database, 2) is None
    assert image_of(database, 2) is None


def test_a_sample_of_what_one_person_has_labelled_is_shown_to_another(database: Database) -> None:
    keep(database, 40)
    for number in (9, 10, 20, 30):
        label(database, number, number % 10)
    label(database, 30, 0, source="eve")
    found = queue(database, "clf", None, "bob", (), 60)
    assert [one.id for one in found if one.why == "second"] == [20, 10]
    mine = queue(database, "clf", None, "ann", (), 60)
    assert [one.id for one in mine if one.why == "second"] == []
