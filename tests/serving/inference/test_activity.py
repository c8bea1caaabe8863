"""What workers see of one another."""

from pathlib import Path

from serving.inference.activity import Activity


def test_one_that_is_alone() -> None:
    activity = Activity()
    seen = [activity.is_none]
    for change in (activity.begin, activity.end):
        change()
        seen.append(activity.is_none)
    assert seen == [True, False, True]


def test_workers_see_one_another(tmp_path: Path) -> None:
    first, second = (Activity(tmp_path / "activity", number, 2) for number in (1, 2))
    first.begin()
    first.begin()
    assert not second.is_none
    first.end()
    assert not second.is_none
    first.end()
    assert second.is_none


def test_who_replaces_one_that_was_killed_at_work_begins_anew(tmp_path: Path) -> None:
    killed, other = (Activity(tmp_path / "activity", number, 2) for number in (1, 2))
    killed.begin()
    Activity(tmp_path / "activity", 1, 2)
    assert other.is_none


def test_all_that_workers_are_at_is_counted(tmp_path: Path) -> None:
    first, second = (Activity(tmp_path / "activity", number, 2) for number in (1, 2))
    for activity in (first, second, second):
        activity.begin()
    assert first.count == second.count == 3


def test_more_than_a_byte_counts(tmp_path: Path) -> None:
    first, second = (Activity(tmp_path / "activity", number, 2) for number in (1, 2))
    for _ in range(300):
        first.begin()
    for _ in range(299):
        first.end()
    assert not second.is_none
    first.end()
    assert second.is_none
