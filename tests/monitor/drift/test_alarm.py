"""The rule over several windows, state by state."""

import pytest

from monitor.drift.alarm import AlarmRule
from records.reports import State

RULE = AlarmRule()


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ([1.0], "calm"),
        ([0.005], "calm"),
        ([0.0027], "calm"),
        ([0.0026], "warn"),
        ([0.001, 1.0], "calm"),
        ([0.0099, 0.0099], "alarm"),
        ([0.01, 0.0099], "calm"),
        ([0.005, 1.0, 0.005], "alarm"),
        ([0.005, 0.005, 1.0], "alarm"),
        ([0.005, 0.005, 1.0, 1.0], "calm"),
        ([0.005, 1.0, 1.0, 0.005], "calm"),
        ([0.001, 0.001], "alarm"),
    ],
)
def test_the_state_follows_from_the_last_three_windows(history: list[float], state: State) -> None:
    assert RULE.judge(history).state == state


def test_no_window_is_unknown() -> None:
    assert RULE.judge([]).state == "unknown"


def test_a_window_with_too_few_images_is_unknown() -> None:
    verdict = RULE.judge([0.001, 0.001, None])
    assert (verdict.state, verdict.since) == ("unknown", 2)


def test_windows_with_too_few_images_are_skipped() -> None:
    verdict = RULE.judge([0.005, None, None, None, 0.005])
    assert verdict.state == "alarm"
    assert verdict.changed == (0, 4)


def test_an_alarm_says_since_when() -> None:
    verdict = RULE.judge([1.0, 0.005, None, 0.005, 0.001, 0.001])
    assert (verdict.state, verdict.since) == ("alarm", 3)
    assert "The alarm has lasted 3 windows." in verdict.reason


def test_an_alarm_that_comes_back_is_a_new_one() -> None:
    verdict = RULE.judge([0.005, 0.005, 1.0, 1.0, 0.005, 0.005])
    assert (verdict.state, verdict.since) == ("alarm", 5)


def test_a_state_from_the_beginning_is_since_the_first_window() -> None:
    assert RULE.judge([1.0, 1.0, 1.0]).since == 0


def test_an_alarm_names_its_windows_and_its_limits() -> None:
    verdict = RULE.judge([1.0, 0.005, 0.5, 0.001])
    assert verdict.changed == (1, 3)
    assert "2 of the last 3 windows have p < 0.01" in verdict.reason


def test_a_warning_says_what_would_make_it_an_alarm() -> None:
    verdict = RULE.judge([1.0, 0.001])
    assert verdict.changed == (1,)
    assert "p = 0.001, below the warning limit of 0.0027" in verdict.reason
    assert "has p < 1e-9, below" in RULE.judge([0.0]).reason
    assert "2 of 3 windows with p < 0.01 raise an alarm" in verdict.reason


def test_calm_says_how_near_it_is() -> None:
    assert "1 of the last 3 windows has p < 0.01" in RULE.judge([1.0, 0.005, 1.0]).reason
    assert "None of the last 3 windows" in RULE.judge([1.0, 1.0, 1.0]).reason


def test_the_rule_can_be_another() -> None:
    rule = AlarmRule(windows=5, needed=3)
    assert rule.judge([0.005, 0.005, 1.0, 1.0, 1.0]).state == "calm"
    assert rule.judge([0.005, 1.0, 0.005, 1.0, 0.005]).state == "alarm"
