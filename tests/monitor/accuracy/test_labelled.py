"""Accuracy from labels, with and without weights."""

from typing import Any

import numpy as np
import pytest

from models.reference import Reference
from monitor.accuracy.labelled import AccuracyReport, balanced, measure_accuracy
from monitor.proportions import Proportion
from records.windows import Record
from tests.monitor.recorded import record, with_truth

CLASSES = ("cat", "dog")


def reference(right: int, wrong: int) -> Reference:
    """As many of each class; every mistake is a dog taken for a cat."""
    count = right + wrong
    labels = np.arange(count) % 2
    predicted = labels.copy()
    predicted[np.flatnonzero(labels == 1)[:wrong]] = 0
    probabilities = np.eye(2, dtype=np.float32)[predicted]
    return Reference(np.zeros((count, 4), np.uint8), labels, probabilities)


def records(count: int, label: str, truth: str | None, **changes: Any) -> list[Record]:
    return [with_truth(record(label=label, **changes), truth)] * count


def test_the_interval_is_wilsons() -> None:
    # 15 of 148, Newcombe, Statistics in Medicine 17 (1998), page 861: 0.0624 to 0.1605.
    found = measure_accuracy(
        [*records(15, "cat", "cat"), *records(133, "cat", "dog")], CLASSES, None
    )
    assert found.accuracy is not None
    assert found.accuracy.value == 15 / 148
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert (found.state, found.drop, found.reference) == ("unknown", None, None)


def test_only_what_has_an_undisputed_label_counts() -> None:
    found = measure_accuracy(
        [
            *records(30, "cat", "cat"),
            *records(10, "cat", None),
            *[record(label="cat", labels=(("ann", "cat"), ("bob", "dog")))] * 10,
            *records(10, "cat", "cat", status=400),
        ],
        CLASSES,
        None,
    )
    assert found.images == 30


def test_recall_and_precision_of_each_class() -> None:
    # Of 40 cats 30 are found; of 40 predicted as cats 30 are.
    found = measure_accuracy(
        [
            *records(30, "cat", "cat"),
            *records(10, "dog", "cat"),
            *records(10, "cat", "dog"),
            *records(50, "dog", "dog"),
        ],
        CLASSES,
        reference(95, 5),
    )
    cat, dog = found.classes
    assert (cat.images, cat.predicted) == (40, 40)
    assert cat.recall is not None
    assert dog.precision is not None
    assert (cat.recall.value, dog.precision.value) == (0.75, 50 / 60)
    # The reference's 50 cats are all found, and 50 of 55 predicted as cats are.
    assert (cat.reference_recall, cat.reference_precision) == (1.0, 50 / 55)
    assert cat.worse
    assert not dog.worse


def test_a_loss_of_more_than_five_points_is_an_alarm() -> None:
    seen = [*records(140, "cat", "cat"), *records(60, "cat", "dog")]
    found = measure_accuracy(seen, CLASSES, reference(480, 20))
    assert found.state == "alarm"
    assert found.drop == pytest.approx(0.96 - 0.7)
    assert found.drop_low is not None
    assert found.drop_low > 0.15
    assert found.reason.startswith(
        "Accuracy is 70.0% on 200 labelled predictions (95% confidence interval 63.3% to 75.9%)"
    )


def test_a_sure_but_small_loss_is_a_warning() -> None:
    seen = [*records(1900, "cat", "cat"), *records(100, "cat", "dog")]
    assert measure_accuracy(seen, CLASSES, reference(1960, 40)).state == "warn"


@pytest.mark.parametrize(("wrong", "state"), [(3, "calm"), (0, "calm")])
def test_no_loss_beyond_chance_is_calm(wrong: int, state: str) -> None:
    seen = [
        *records(50, "cat", "cat"),
        *records(50 - wrong, "dog", "dog"),
        *records(wrong, "cat", "dog"),
    ]
    assert measure_accuracy(seen, CLASSES, reference(490, 10)).state == state


def test_few_labels_tell_nothing() -> None:
    found = measure_accuracy(records(10, "cat", "dog"), CLASSES, reference(480, 20))
    assert found.state == "unknown"
    assert "Too few labels to judge" in found.reason


def test_many_labels_of_which_one_weighs_most_tell_nothing() -> None:
    seen = [*records(60, "cat", "cat", weight=1.0), *records(1, "cat", "cat", weight=500.0)]
    found = measure_accuracy(seen, CLASSES, reference(480, 20))
    assert found.state == "unknown"
    assert (
        "Too few labels to judge (weighted, they count as 1): at least 30 are needed"
        in found.reason
    )


def test_no_labels_at_all() -> None:
    found = measure_accuracy(records(10, "cat", None), CLASSES, reference(480, 20))
    assert (found.state, found.images, found.accuracy) == ("unknown", 0, None)
    assert found.reason == "No predictions are labelled yet."


def test_weights_undo_the_sampling() -> None:
    # All 20 mistakes were kept, and one in ten of 800 right answers: 800 of 820 are right.
    seen = [
        *records(80, "cat", "cat", weight=10.0),
        *records(20, "cat", "dog", weight=1.0),
    ]
    found = measure_accuracy(seen, CLASSES, None)
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx(800 / 820)
    assert found.effective == pytest.approx(820**2 / (80 * 100 + 20))


def test_what_has_no_weight_cannot_stand_beside_what_has() -> None:
    seen = [*records(40, "cat", "cat", weight=2.0), *records(60, "cat", "dog")]
    found = measure_accuracy(seen, CLASSES, None)
    assert (found.images, found.unweighted) == (40, 60)


def test_an_unknown_class_is_a_mistake() -> None:
    found = measure_accuracy(
        [*records(30, "cat", "cat"), *records(10, "cat", "fox")], CLASSES, None
    )
    assert found.accuracy is not None
    assert (found.accuracy.value, found.strangers) == (0.75, 10)


def test_the_newest_prediction_with_a_label_is_told() -> None:
    seen = [*records(40, "cat", "cat"), *records(10, "cat", "dog")]
    found = measure_accuracy(seen, CLASSES, None)
    assert found.newest == max(one.at for one in seen)
    assert measure_accuracy([], CLASSES, None).newest is None


def test_a_number_is_not_its_text() -> None:
    found = measure_accuracy([with_truth(record(label=8), "8")] * 30, (3, 8), None)
    assert found.accuracy is not None
    assert (found.accuracy.value, found.strangers) == (0.0, 30)


def of_many(value: float) -> Proportion:
    return Proportion(value, 500)


def test_labels_of_the_hardest_are_weighted_back_to_the_window() -> None:
    # Half of the labels are of the tenth with disagreement, where half is right; elsewhere 0.9.
    seen = [
        *records(25, "cat", "cat"),
        *records(25, "cat", "dog"),
        *records(45, "cat", "cat"),
        *records(5, "cat", "dog"),
    ]
    mask = np.arange(100) < 50
    plain = measure_accuracy(seen, CLASSES, None)
    found = measure_accuracy(seen, CLASSES, None, disagreeing=mask, disagreement=of_many(0.1))
    assert plain.accuracy is not None
    assert found.accuracy is not None
    assert plain.accuracy.value == 0.7
    assert found.accuracy.value == pytest.approx(0.1 * 0.5 + 0.9 * 0.9)
    assert found.effective < 100
    # The proportion with disagreement is that of a sample: of a small one the rest is less certain.
    of_few = Proportion(0.1, 100)
    less = measure_accuracy(seen, CLASSES, None, disagreeing=mask, disagreement=of_few).accuracy
    assert less is not None
    assert less.value == found.accuracy.value
    assert less.low < found.accuracy.low


def test_nothing_is_balanced_where_one_kind_has_no_label() -> None:
    weights = np.ones(4)
    assert balanced(weights, np.zeros(4, dtype=bool), 0.1).tolist() == [1, 1, 1, 1]


def test_a_report_is_json_and_back() -> None:
    seen = [*records(40, "cat", "cat"), *records(10, "cat", "dog")]
    report = measure_accuracy(seen, CLASSES, reference(95, 5))
    assert AccuracyReport.model_validate_json(report.model_dump_json()) == report


def test_labels_that_nobody_asked_for_do_not_count_beside_a_sample() -> None:
    seen = [
        *records(36, "cat", "cat", drawn="random"),
        *records(4, "cat", "dog", drawn="monitor"),
        # Complaints, and images of which two versions said something else.
        *records(30, "cat", "dog", drawn="volunteered"),
        *records(30, "cat", "dog", drawn="rollout"),
    ]
    found = measure_accuracy(seen, CLASSES, None)
    assert found.accuracy is not None
    assert (found.images, found.accuracy.value) == (40, 0.9)
    few = measure_accuracy(seen[20:], CLASSES, None)
    assert few.images == 80


def test_an_accuracy_that_was_weighted_says_so() -> None:
    seen = [*records(111, "cat", "cat"), *records(6, "cat", "dog")]
    mask = np.arange(117) < 60
    found = measure_accuracy(
        seen, CLASSES, reference(95, 5), disagreeing=mask, disagreement=of_many(0.5)
    )
    assert "weighted" not in found.reason
    found = measure_accuracy(
        seen, CLASSES, reference(95, 5), disagreeing=mask, disagreement=of_many(0.03)
    )
    text = "89.8% on 117 labelled predictions, of which 111 are right, weighted to all predictions"
    assert text in found.reason
