"""The figures of two versions, against scikit-learn's, and the rates of the gate's errors."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rollout.gate import outcome_of, verdict_checks
from rollout.measures import Answers, compare
from rollout.verdict import Compared, GateRule
from train.evaluate import evaluate

LABELS = (0, 1, 2)


def drawn(images: int, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=images)
    scores = rng.random((images, 3)) + np.eye(3)[truth]
    return truth, scores / scores.sum(axis=1, keepdims=True)


def answers(truth: NDArray[np.int64], scores: NDArray[np.float64]) -> Answers:
    loss = -np.log(scores[np.arange(len(truth)), truth])
    return Answers(scores.argmax(axis=1), scores.max(axis=1), loss)


def plain(right: NDArray[np.bool_], truth: NDArray[np.int64]) -> Answers:
    return Answers(np.where(right, truth, (truth + 1) % 3), None, None)


def judged(old: NDArray[np.bool_], new: NDArray[np.bool_]) -> Compared:
    truth = np.zeros(len(old), np.int64)
    return compare("these", LABELS, truth, np.ones(len(old)), plain(old, truth), plain(new, truth))


def outcome(one: Compared) -> str:
    return outcome_of(verdict_checks([one], GateRule()))[0]


def test_figures_are_those_of_scikit_learn() -> None:
    truth, scores = drawn(200)
    expected = evaluate(LABELS, truth, scores.astype(np.float32))
    both = answers(truth, scores)
    found = compare("these", LABELS, truth, np.ones(200), both, both)
    figures = {measure.name: measure.champion for measure in found.measures}
    assert figures["accuracy"] == pytest.approx(expected.accuracy.value)
    assert figures["log-loss"] == pytest.approx(expected.log_loss, abs=1e-6)
    assert figures["calibration error"] == pytest.approx(expected.calibration_error, abs=1e-6)
    for row, of_class in zip(expected.classes, found.classes, strict=True):
        assert [measure.champion for measure in of_class.measures] == pytest.approx(
            [row.precision, row.recall, row.f1, row.false_positive_rate, row.false_negative_rate]
        )


def test_a_weight_is_as_good_as_a_copy() -> None:
    truth, scores = drawn(60)
    weights = np.where(np.arange(60) < 20, 3.0, 1.0)
    rows = np.repeat(np.arange(60), weights.astype(int))
    both = answers(truth, scores)
    copied = answers(truth[rows], scores[rows])
    weighted = compare("these", LABELS, truth, weights, both, both)
    repeated = compare("these", LABELS, truth[rows], np.ones(len(rows)), copied, copied)
    for one, other in zip(weighted.measures, repeated.measures, strict=True):
        assert one.champion == pytest.approx(other.champion), one.name


def test_an_interval_holds_the_difference_as_often_as_it_says() -> None:
    """Of 100 pairs of versions with a true difference of 2 points, on 400 images."""
    held = 0
    for seed in range(100):
        kind = np.random.default_rng(seed).random(400)
        one = judged(old=kind > 0.03, new=~((kind > 0.03) & (kind < 0.08)))
        held += one.low <= -0.02 <= one.high
    assert held >= 93


def test_one_that_answers_nothing_is_wrong() -> None:
    truth, scores = drawn(50)
    silent = Answers(np.full(50, -1), np.zeros(50), np.full(50, 36.0))
    found = compare("these", LABELS, truth, np.ones(50), answers(truth, scores), silent)
    assert found.measures[0].challenger == 0
    assert found.wins == 0


def test_no_disagreement_on_few_images_is_no_proof() -> None:
    right = np.ones(150, np.bool_)
    one = judged(right, right)
    assert (one.wins, one.losses) == (0, 0)
    assert one.low < -0.01
    assert outcome(one) == "too few images"


def test_three_points_worse_never_passes() -> None:
    rng = np.random.default_rng(1)
    for images in (100, 150, 300, 2000):
        for _ in range(10):
            lost = rng.random(images) < 0.03
            assert outcome(judged(np.ones(images, np.bool_), ~lost)) != "passed" or not lost.any()


def test_equals_are_rarely_refused() -> None:
    """Of 100 pairs that disagree on one image in ten, at most the stated twentieth."""
    found = []
    for seed in range(100):
        kind = np.random.default_rng(seed).random(300)
        found.append(outcome(judged(old=kind > 0.05, new=~((kind > 0.05) & (kind < 0.1)))))
    assert found.count("refused") <= 5


def bursts(old: NDArray[np.bool_], new: NDArray[np.bool_], frames: int) -> Compared:
    """As ``judged``, of scenes in so many photos each, which are all right or all wrong."""
    scenes = np.repeat(np.arange(len(old)), frames)
    truth = np.zeros(len(scenes), np.int64)
    both = plain(old[scenes], truth), plain(new[scenes], truth)
    return compare("these", LABELS, truth, np.ones(len(scenes)), *both, scenes=scenes)


def test_a_burst_tells_no_more_than_one_photo() -> None:
    kind = np.random.default_rng(0).random(120)
    old, new = kind > 0.1, ~((kind > 0.1) & (kind < 0.15))
    once, often = judged(old, new), bursts(old, new, 10)
    assert (often.images, often.scenes) == (1200, 120)
    assert (often.low, often.high, often.lost) == pytest.approx((once.low, once.high, once.lost))
    assert (often.wins, often.losses) == (10 * once.wins, 10 * once.losses)


def test_equals_are_rarely_refused_for_bursts() -> None:
    """Of 30 scenes in ten photos each: as 300 images, a quarter of the pairs would be refused."""
    found = []
    for seed in range(100):
        kind = np.random.default_rng(seed).random(30)
        found.append(outcome(bursts(kind > 0.05, ~((kind > 0.05) & (kind < 0.1)), 10)))
    assert found.count("refused") <= 5
    assert "passed" not in found


def test_a_class_that_is_lost_is_seen() -> None:
    truth = np.repeat([0, 1, 2], [400, 400, 20])
    right = np.ones(820, np.bool_)
    one = compare(
        "these", LABELS, truth, np.ones(820), plain(right, truth), plain(truth != 2, truth)
    )
    refused = [
        check.name for check in verdict_checks([one], GateRule()) if check.state == "refused"
    ]
    assert "class 2 on these" in refused
