from datetime import UTC, datetime, timedelta

import click
import pytest

from records.units import Age, Interval, Moment, Since, Size, start_of


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30D", timedelta(days=30)),
        (" 4 w", timedelta(weeks=4)),
        ("0d", timedelta(0)),
    ],
)
def test_a_duration(text: str, duration: timedelta) -> None:
    assert Age().convert(text, None, None) == duration


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1000", 1000),
        ("10 B", 10),
        ("500MB", 500_000_000),
        ("2GiB", 2 * 1024**3),
        ("1.5k", 1500),
        ("1t", 10**12),
    ],
)
def test_a_size(text: str, size: int) -> None:
    assert Size().convert(text, None, None) == size


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31", "2030-01-31T00:00:00+00:00"),
        ("2030-01-31T12:00", "2030-01-31T12:00:00+00:00"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00+00:00"),
    ],
)
def test_a_moment(text: str, moment: str) -> None:
    assert Moment().convert(text, None, None) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "1234567d", "1.5d"])
def test_not_a_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a valid duration: write it as 90m"):
        Age().convert(text, None, None)


@pytest.mark.parametrize("text", ["0s", "366d", "999999w"])
def test_an_interval_has_bounds(text: str) -> None:
    assert Interval().convert("365d", None, None) == timedelta(days=365)
    with pytest.raises(click.BadParameter, match="must be between 1s and 365d"):
        Interval().convert(text, None, None)


def test_a_start_is_a_duration_or_a_time() -> None:
    end = datetime(2030, 1, 31, 12, tzinfo=UTC)
    starts = [start_of(Since().convert(text, None, None), end) for text in ("12h", "2030-01-31")]
    assert starts == [datetime(2030, 1, 31, tzinfo=UTC)] * 2
    assert start_of(timedelta(weeks=999_999), end) == datetime.min.replace(tzinfo=UTC)
    with pytest.raises(click.BadParameter, match="is not a duration such as 12h or 30d, or a time"):
        Since().convert("often", None, None)


@pytest.mark.parametrize("text", ["", "GB", "-1", "1ib", "1e9", "9" * 13])
def test_not_a_size(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a valid size: write it as 500MB"):
        Size().convert(text, None, None)


@pytest.mark.parametrize("text", ["", "today", "2030-13-01", "0001-01-01T00:00:00+10:00"])
def test_not_a_time(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a valid time: write it as 2030-01-31"):
        Moment().convert(text, None, None)


def test_a_time_before_any_record() -> None:
    with pytest.raises(click.BadParameter, match="is before 1970, when nothing was recorded"):
        Moment().convert("0001-01-15", None, None)
