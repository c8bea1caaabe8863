"""What a person reads."""

import pytest

from monitor.phrasing import describe_proportion, percent


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (0.1, 0.0, "no longer predicted"),
        (0.0, 0.1, "is not in the reference"),
        (0.1, 0.19, "twice as often"),
        (0.1, 0.31, "3 times as often"),
        (0.1, 0.14, "more often"),
        (0.1, 0.08, "less often"),
        (0.1, 0.05, "half as often"),
        (0.1, 0.02, "far less often (2 %"),
    ],
)
def test_shares_in_words(before: float, now: float, words: str) -> None:
    assert words in describe_proportion(3, before, now)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.00001, "0.1 %"),
        (0.004, "0.4 %"),
        (0.5, "50 %"),
        (0.995, "99.5 %"),
        (0.99999, "99.9 %"),
        (1, "100 %"),
    ],
)
def test_shares_as_percent(share: float, text: str) -> None:
    assert percent(share) == text
