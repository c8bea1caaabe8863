"""Prediction sets, by hand and as MAPIE makes them."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.coverage import MAX_SCORES, Coverage, chance_of, most, needed, rank

MAPIE = json.loads(Path("tests/data/mapie_lac.json").read_text())


def of(*scores: float) -> Coverage:
    return Coverage(np.array(scores, np.float32))


@pytest.mark.parametrize(
    ("images", "coverage", "found"),
    [(9, 0.9, 9), (8, 0.9, None), (19, 0.95, 19), (99, 0.99, 99), (98, 0.99, None), (1, 0.001, 1)],
)
def test_the_rank_of_the_threshold(images: int, coverage: float, found: int | None) -> None:
    assert rank(images, coverage) == found


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.95, 0.99, 0.995])
def test_how_many_images_a_coverage_needs(coverage: float) -> None:
    images = needed(coverage)
    assert rank(images, coverage) is not None
    assert rank(images - 1, coverage) is None if images > 1 else True
    assert most(images) >= coverage - 1e-9


def test_labels_come_most_probable_first() -> None:
    coverage = of(*np.linspace(0, 0.9, 99))
    found = coverage.labels(np.array([0.2, 0.5, 0.3, 0.0], np.float32), 0.9)
    assert found == [1, 2, 0]


def test_equal_probabilities_keep_their_order() -> None:
    assert of(0.9).labels(np.array([0.25, 0.25, 0.5], np.float32), 0.5) == [2, 0, 1]


def test_a_set_is_empty_where_no_label_is_probable_enough() -> None:
    assert of(0.0, 0.1, 0.1).labels(np.array([0.6, 0.4], np.float32), 0.5) == []


def test_too_few_images_state_nothing() -> None:
    assert of(0.1, 0.2).labels(np.array([0.5, 0.5], np.float32), 0.9) is None
    assert of().threshold(0.5) is None


def test_scores_are_of_the_right_label_and_in_order() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], np.float32)
    found = Coverage.of(probabilities, np.array([0, 1, 1]))
    assert found.scores == pytest.approx([0.1, 0.2, 0.7])
    assert found.scores.dtype == np.float32


def test_no_more_are_kept_than_needed() -> None:
    probabilities = np.full((MAX_SCORES + 10, 2), 0.5, np.float32)
    assert len(Coverage.of(probabilities, np.zeros(len(probabilities), np.int64)).scores) == 5000


@pytest.mark.parametrize("coverage", ["0.9", "0.95", "0.99"])
def test_sets_are_those_of_mapie(coverage: str) -> None:
    """The file says which release made them, and how."""
    calibrated = np.array(MAPIE["probabilities"], np.float32)
    found = Coverage.of(calibrated, np.array(MAPIE["truth"]))
    asked = np.array(MAPIE["asked"], np.float32)
    sets = [sorted(found.labels(row, float(coverage)) or []) for row in asked]
    assert sets == MAPIE["sets"][coverage]


def test_the_promise_is_kept() -> None:
    """Over 200 draws of both the held-out images and one to ask for."""
    rng = np.random.default_rng(0)
    kept = []
    for _ in range(200):
        logits = rng.normal(0, 1.5, (150, 5))
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        truth = np.array([rng.choice(5, p=row) for row in probabilities])
        found = Coverage.of(probabilities[:100].astype(np.float32), truth[:100])
        kept += [
            label in (found.labels(row.astype(np.float32), 0.9) or [])
            for row, label in zip(probabilities[100:], truth[100:], strict=True)
        ]
    assert np.mean(kept) == pytest.approx(0.9, abs=0.015)


def test_of_tied_labels_as_many_are_in_as_the_coverage_needs() -> None:
    """Nearest neighbors: shares of five votes. All of the tied would cover 0.97 and more."""
    rng = np.random.default_rng(0)
    votes = rng.choice(np.array([0, 0.2, 0.4], np.float32), 4_000, p=[0.6, 0.25, 0.15])
    found = of(*sorted(votes[:999]))
    inputs = rng.random((3_001, 64)).astype(np.float32)
    rows = zip(votes[999:], map(chance_of, inputs), strict=True)
    kept = [
        0 in (found.labels(np.array([1 - vote, vote], np.float32), 0.9, chance) or [])
        for vote, chance in rows
    ]
    assert np.mean(kept) == pytest.approx(0.9, abs=0.02)


def test_a_score_that_no_other_has_is_in_whatever_the_chance() -> None:
    found = of(*np.linspace(0, 0.9, 19))
    at_the_limit = np.array([1 - found.scores[-1], 0, 0], np.float32)
    assert found.labels(at_the_limit, 0.95, 0.999) == [0]


def test_the_chance_of_an_image_is_its_own_and_spread_evenly() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (2_000, 64)).astype(np.float32)
    chances = np.array([chance_of(image) for image in images])
    assert np.histogram(chances, 10, (0, 1))[0] == pytest.approx(np.full(10, 200), abs=60)
    nearly = images * np.float32(1 + 1e-7)
    apart = np.abs(chances - [chance_of(image) for image in nearly])
    assert np.minimum(apart, 1 - apart).max() < 0.01


def test_an_image_of_zeros_has_a_chance_too() -> None:
    assert chance_of(np.zeros(64, np.float32)) == 0.0
