"""What a rollout still misses, by the guard's own test."""

import pytest

from console.evidence import labels_needed, log_evidence
from rollout.martingale import log_evidence as guards


@pytest.mark.parametrize(
    ("wins", "losses"), [(0, 0), (1, 0), (0, 1), (5, 1), (20, 3), (3, 9), (60, 20), (400, 380)]
)
def test_the_evidence_is_the_guards(wins: int, losses: int) -> None:
    assert log_evidence(wins, losses) == pytest.approx(float(guards(wins, losses, 0.5)), abs=1e-9)


def test_nothing_is_needed_once_it_is_shown() -> None:
    assert labels_needed(20, 1, 0.025) == 0


def test_more_wins_need_fewer_labels() -> None:
    few, many = labels_needed(3, 0, 0.025), labels_needed(5, 0, 0.025)
    assert few is not None
    assert many is not None
    assert 0 < many < few < 60


def test_a_challenger_that_is_no_better_is_not_in_sight() -> None:
    assert labels_needed(10, 14, 0.025) is None
