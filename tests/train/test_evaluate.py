import warnings

import numpy as np
import pytest

from train.evaluate import accuracy_of, calibration_error, evaluate, wilson

# Worked out by hand: true labels are a a a b b c, predictions a a b b a a.
TRUTH = np.array([0, 0, 0, 1, 1, 2])
PROBABILITIES = np.array(
    [
        [0.8, 0.1, 0.1],
        [0.6, 0.3, 0.1],
        [0.2, 0.7, 0.1],
        [0.1, 0.5, 0.4],
        [0.5, 0.4, 0.1],
        [0.9, 0.05, 0.05],
    ]
)
METRICS = evaluate(("a", "b", "c"), TRUTH, PROBABILITIES)


def test_confusion_has_true_labels_in_rows() -> None:
    assert METRICS.confusion == ((2, 1, 0), (1, 1, 0), (1, 0, 0))


def test_accuracy_is_the_proportion_of_correct_predictions() -> None:
    assert METRICS.images == 6
    assert METRICS.accuracy.value == pytest.approx(3 / 6)


def test_class_metrics_by_hand() -> None:
    a, b, c = METRICS.classes
    assert (a.label, a.images) == ("a", 3)
    assert (a.precision, a.recall) == pytest.approx((2 / 4, 2 / 3))
    assert a.f1 == pytest.approx(2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3))
    assert (a.false_positive_rate, a.false_negative_rate) == pytest.approx((2 / 3, 1 / 3))
    assert (b.precision, b.recall, b.f1) == pytest.approx((1 / 2, 1 / 2, 1 / 2))
    assert (b.false_positive_rate, b.false_negative_rate) == pytest.approx((1 / 4, 1 / 2))
    assert (c.images, c.precision, c.recall, c.f1) == (1, 0, 0, 0)
    assert (c.false_positive_rate, c.false_negative_rate) == (0, 1)


def test_log_loss_by_hand() -> None:
    expected = -np.log([0.8, 0.6, 0.2, 0.5, 0.4, 0.05]).mean()
    assert METRICS.log_loss == pytest.approx(expected)


def test_calibration_error_by_hand() -> None:
    # Of the fifteenths that hold a confidence: (7/15, 8/15] has 0.5 right and 0.5 wrong; the
    # others one image each: 0.6 right, 0.7 wrong, 0.8 right, 0.9 wrong.
    expected = (abs(1 - 2 * 0.5) + (1 - 0.6) + 0.7 + (1 - 0.8) + 0.9) / 6
    assert METRICS.calibration_error == pytest.approx(expected)


def test_confidence_at_a_bins_edge_belongs_below() -> None:
    # Guo et al. 2017: bin m is ((m - 1) / M, m / M]; 0.6 is an edge of fifteenths, 0.61 is above.
    probabilities = np.array([[0.6, 0.4], [0.61, 0.39]])
    found = calibration_error(np.array([0, 1]), probabilities)
    assert found == pytest.approx((0.4 + 0.61) / 2)


def test_confidence_equal_to_accuracy_has_no_calibration_error() -> None:
    probabilities = np.tile([0.75, 0.25], (4, 1))
    assert calibration_error(np.array([0, 0, 0, 1]), probabilities) == pytest.approx(0)


def test_wilson_interval_of_a_published_example() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263.
    interval = wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)


def test_wilson_interval_of_nothing_and_all() -> None:
    # The same table: 0 of 20 has 0.0000 to 0.1611.
    assert wilson(0, 20).low == 0
    assert round(wilson(0, 20).high, 4) == 0.1611
    assert wilson(20, 20).high == 1


def test_labels_without_an_image_count_as_none() -> None:
    metrics = evaluate((3, 5, 8), np.array([0, 0]), np.array([[0.9, 0.1, 0], [0.8, 0.1, 0.1]]))
    assert [entry.label for entry in metrics.classes] == [3, 5, 8]
    assert [entry.images for entry in metrics.classes] == [2, 0, 0]
    assert metrics.classes[0].false_positive_rate == 0


def test_float32_probabilities_make_no_warning() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(10), 500).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = evaluate(tuple(range(10)), np.arange(500) % 10, probabilities)
    assert metrics.log_loss is not None
    assert np.isfinite(metrics.log_loss)


def test_a_certain_mistake_has_a_finite_log_loss() -> None:
    metrics = evaluate((0, 1), np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert metrics.log_loss is not None
    assert np.isfinite(metrics.log_loss)


def test_images_of_a_group_count_as_one_in_the_interval() -> None:
    right = np.arange(100) % 5 > 0
    alone, grouped = accuracy_of(right, None), accuracy_of(right, np.arange(100) // 10)
    assert alone.value == grouped.value == 0.8
    assert (alone.low, alone.high) == (wilson(80, 100).low, wilson(80, 100).high)
    assert (grouped.low, grouped.high) == (wilson(8, 10).low, wilson(8, 10).high)
