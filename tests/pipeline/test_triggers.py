"""When a model is to be retrained."""

from datetime import timedelta

import pytest

from monitor.proportions import Proportion
from pipeline.triggers import TriggerRules, accuracy, age, due, new_labels
from records.retrainings import advance, begin
from tests.drafts import LinearDraft
from tests.monitor.production import turned
from tests.pipeline.conftest import NOW, Place

RULES = TriggerRules()
FEW = TriggerRules(random_labels=30)
REFERENCE = Proportion(0.98, 360)


@pytest.mark.parametrize(
    ("right", "size", "is_due"),
    [
        (0.90, 400, True),
        (0.90, 199, False),  # too few
        (0.94, 5000, False),  # certain, but only 4 points
        (0.925, 200, True),
        (0.98, 400, False),
        (0.0, 200, True),
    ],
)
def test_a_drop_that_is_certain_and_large_is_a_reason(
    right: float, size: int, is_due: bool
) -> None:
    assert accuracy(REFERENCE, Proportion(right, size), RULES).due is is_due


def test_a_large_drop_that_is_not_certain_is_none() -> None:
    check = accuracy(Proportion(0.90, 40), Proportion(0.82, 200), RULES)
    assert not check.due
    assert "a drop of 8.0 points" in check.reason


def test_without_a_reference_accuracy_is_no_reason() -> None:
    assert not accuracy(None, Proportion(0.1, 1000), RULES).due


def test_labels_and_age_are_reasons_only_if_set() -> None:
    assert not new_labels(10**6, RULES).due
    assert not age(timedelta(days=10**4), RULES).due
    rules = TriggerRules(new_labels=100, age=timedelta(days=30))
    assert [new_labels(count, rules).due for count in (99, 100)] == [False, True]
    assert [age(timedelta(days=days), rules).due for days in (29, 30)] == [False, True]


def test_only_images_drawn_at_random_count(place: Place) -> None:
    pixels, labels = place.some(0, 60)
    place.serve(turned(pixels), labels, prefix="complaints")
    assert due(place.database, place.store, "clf", FEW, NOW).reason is None
    place.serve(turned(pixels), labels, drawn="random", prefix="drawn")
    found = due(place.database, place.store, "clf", FEW, NOW)
    assert found.reason is not None
    assert found.reason[0] == "accuracy"
    assert "60 images drawn at random" in found.reason[1]


def test_labels_of_last_season_do_not_count(place: Place) -> None:
    pixels, labels = place.some(0, 60)
    place.serve(turned(pixels), labels, drawn="random", at=NOW - timedelta(days=40))
    assert due(place.database, place.store, "clf", FEW, NOW).reason is None


def test_what_a_retraining_has_seen_is_no_reason_for_another(place: Place) -> None:
    pixels, labels = place.some(0, 60)
    place.serve(turned(pixels), labels, drawn="random", at=NOW - timedelta(days=2))
    assert due(place.database, place.store, "clf", FEW, NOW).reason is not None
    one = begin(place.database, "clf", "accuracy", "", place.champion.version)
    advance(place.database, one.id, "failed")
    later = NOW + timedelta(days=2)
    found = due(place.database, place.store, "clf", FEW, later)
    assert found.waits is None
    assert found.reason is None


def test_two_retrainings_are_some_time_apart(place: Place) -> None:
    rules = TriggerRules(age=timedelta(seconds=0))
    one = begin(place.database, "clf", "age", "", place.champion.version)
    advance(place.database, one.id, "failed")
    soon = due(place.database, place.store, "clf", rules, one.started_at + timedelta(hours=23))
    assert soon.reason is None
    assert soon.waits is not None
    later = due(place.database, place.store, "clf", rules, one.started_at + timedelta(hours=25))
    assert later.reason is not None


def test_one_that_was_interrupted_goes_on_and_one_that_waits_does_not(place: Place) -> None:
    one = begin(place.database, "clf", "labels", "many", place.champion.version)
    assert due(place.database, place.store, "clf", RULES, NOW).reason == ("labels", "many")
    advance(place.database, one.id, "trained", challenger="x")
    found = due(place.database, place.store, "clf", RULES, NOW)
    assert found.reason is None
    assert found.waits == f"retraining {one.id} has not ended: it is trained"


def test_a_champion_without_training_images_waits_for_another(place: Place) -> None:
    imported = place.store.save(LinearDraft())
    found = due(place.database, place.store, "clf", TriggerRules(age=timedelta(seconds=0)))
    assert found.champion == imported.version
    assert found.reason is None
    assert found.waits is not None
    assert found.waits.startswith(f"The training images of {imported.tag} are not here")
