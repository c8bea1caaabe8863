"""What a person reads."""

import pytest

from monitor.phrasing import describe_proportion, percent, short


@pytest.mark.parametrize(
    ("before", "now", "text"),
    [
        (0.1, 0.0, "no longer predicted"),
        (0.0, 0.1, "predicted but not in the reference"),
        (0.1, 0.19, "twice as often"),
        (0.1, 0.31, "3 times as often"),
        (0.1, 0.14, "more often"),
        (0.1, 0.08, "less often"),
        (0.1, 0.05, "half as often"),
        (0.1, 0.02, "far less often (2% of the images, 10% of the reference)"),
    ],
)
def test_proportions_in_words(before: float, now: float, text: str) -> None:
    assert text in describe_proportion(3, before, now)


@pytest.mark.parametrize(
    ("proportion", "text"),
    [
        (0, "0%"),
        (0.00001, "0.1%"),
        (0.004, "0.4%"),
        (0.5, "50%"),
        (0.995, "99.5%"),
        (0.9903, "99%"),
        (0.99999, "99.9%"),
        (1, "100%"),
    ],
)
def test_proportions_as_percentages(proportion: float, text: str) -> None:
    assert percent(proportion) == text


def test_a_long_label_keeps_both_ends() -> None:
    assert short("a" * 30 + "b" * 30) == "a" * 11 + "…" + "b" * 12
