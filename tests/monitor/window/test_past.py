from datetime import timedelta

from monitor.window.past import PastWindow, before, past
from records.reports import ReportRow
from tests.monitor.production import HOUR, NOON


def window(start: float, end: float, evidence: float | None = 0.5) -> PastWindow:
    return PastWindow(NOON + start * HOUR, NOON + end * HOUR, 100, "calm", evidence)


def row(number: int, body: str) -> ReportRow:
    end = NOON + number * HOUR
    return ReportRow(end, "m", "v", "drift", end - HOUR, end, 9, "calm", None, body, number)


def test_windows_that_follow_one_another_all_count() -> None:
    windows = [window(0, 1), window(1, 2), window(2, 3)]
    assert before(windows, NOON + 3 * HOUR) == windows


def test_a_window_looked_at_twice_counts_once_and_the_later_report_is_taken() -> None:
    first, again = window(0, 1, 0.5), window(0, 1, 0.001)
    assert before([first, again], NOON + HOUR) == [again]


def test_what_overlaps_with_a_later_window_is_left_out() -> None:
    assert before([window(0, 1), window(0.5, 2), window(2, 3)], NOON + 3 * HOUR) == [
        window(0.5, 2),
        window(2, 3),
    ]


def test_what_overlaps_with_the_present_one_is_left_out() -> None:
    assert before([window(0, 1), window(1, 2)], NOON + 1.5 * HOUR) == [window(0, 1)]


def test_reports_are_read_oldest_first() -> None:
    rows = [row(2, '{"evidence": 0.2, "images": 90}'), row(1, '{"evidence": null, "images": 9}')]
    first, second = past(rows, least=50)
    assert (first.evidence, first.grows, first.end) == (None, True, NOON + HOUR)
    assert (second.evidence, second.grows) == (0.2, False)
    assert second.end - second.start == timedelta(hours=1)


def test_too_small_a_reference_is_no_reason_to_wait_for_images() -> None:
    assert not past([row(1, '{"evidence": null, "images": 90}')], least=50)[0].grows


def test_a_report_that_cannot_be_read_is_passed_over() -> None:
    assert past([row(1, "{}"), row(2, "no json")], least=50) == []
