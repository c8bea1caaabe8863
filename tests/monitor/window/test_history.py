from datetime import timedelta

from monitor.window.history import PastWindow, past_windows, preceding
from records.reports import ReportRow
from tests.monitor.production import HOUR, NOON


def window(start: float, end: float, evidence: float | None = 0.5) -> PastWindow:
    return PastWindow(NOON + start * HOUR, NOON + end * HOUR, 100, "calm", evidence)


def row(number: int, body: str) -> ReportRow:
    end = NOON + number * HOUR
    return ReportRow(end, "m", "v", "drift", end - HOUR, end, 9, "calm", None, body, number)


def test_windows_that_follow_one_another_all_count() -> None:
    windows = [window(0, 1), window(1, 2), window(2, 3)]
    assert preceding(windows, NOON + 3 * HOUR) == windows


def test_a_window_inspected_twice_counts_once_by_its_later_report() -> None:
    first, again = window(0, 1, 0.5), window(0, 1, 0.001)
    assert preceding([first, again], NOON + HOUR) == [again]


def test_what_overlaps_with_a_later_window_is_left_out() -> None:
    assert preceding([window(0, 1), window(0.5, 2), window(2, 3)], NOON + 3 * HOUR) == [
        window(0.5, 2),
        window(2, 3),
    ]


def test_what_overlaps_with_the_present_one_is_left_out() -> None:
    assert preceding([window(0, 1), window(1, 2)], NOON + 1.5 * HOUR) == [window(0, 1)]


def test_reports_are_read_oldest_first() -> None:
    rows = [row(2, '{"evidence": 0.2, "images": 90}'), row(1, '{"evidence": null, "images": 9}')]
    first, second = past_windows(rows, minimum=50)
    assert (first.evidence, first.extensible, first.end) == (None, True, NOON + HOUR)
    assert (second.evidence, second.extensible) == (0.2, False)
    assert second.end - second.start == timedelta(hours=1)


def test_with_too_small_a_reference_more_images_do_not_help() -> None:
    assert not past_windows([row(1, '{"evidence": null, "images": 90}')], minimum=50)[0].extensible


def test_a_report_that_cannot_be_read_is_skipped() -> None:
    assert past_windows([row(1, "{}"), row(2, "no json")], minimum=50) == []
