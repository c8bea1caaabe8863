"""Fewer images than there are."""

from collections import Counter
from datetime import timedelta

import numpy as np

from pipeline.production import Sample
from pipeline.sampling import sample
from tests.monitor.production import NOON


def made(label: int, hours: int = 0, weight: float = 1.0) -> Sample:
    at = NOON + timedelta(hours=hours)
    return Sample("r", np.zeros(4, np.uint8), label, at, weight=weight)


def test_all_are_taken_if_they_fit() -> None:
    samples = [made(0), made(1), made(1)]
    assert sample(samples, 3, seed=0) == {0, 1, 2}


def test_a_rare_class_keeps_all_and_the_others_share_the_rest() -> None:
    samples = [made(label) for label in [0] * 50 + [1] * 3 + [2] * 20]
    chosen = sample(samples, 23, seed=0)
    assert Counter(samples[row].label for row in chosen) == {0: 10, 1: 3, 2: 10}


def test_the_newest_are_taken() -> None:
    samples = [made(0, hours) for hours in range(100)]
    assert min(sample(samples, 10, seed=0)) >= 80


def test_what_stands_for_more_requests_is_taken_more_often() -> None:
    samples = [made(0, weight=10.0 if row % 2 else 1.0) for row in range(200)]
    chosen = sample(samples, 50, seed=0)
    assert sum(row % 2 for row in chosen) > 40


def test_the_same_seed_takes_the_same() -> None:
    samples = [made(row % 3, row) for row in range(90)]
    assert sample(samples, 30, seed=1) == sample(samples, 30, seed=1)
    assert len(sample(samples, 30, seed=1)) == 30
