from datetime import UTC, datetime, timedelta

import click
import pytest

from records.units import Age, Moment, Since, Size, size_text, start_of


@pytest.mark.parametrize(
    ("written", "age"),
    [
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30D", timedelta(days=30)),
        (" 4 w", timedelta(weeks=4)),
        ("0d", timedelta(0)),
    ],
)
def test_an_age(written: str, age: timedelta) -> None:
    assert Age().convert(written, None, None) == age


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("1000", 1000),
        ("10 B", 10),
        ("500MB", 500_000_000),
        ("2GiB", 2 * 1024**3),
        ("1.5k", 1500),
        ("1t", 10**12),
    ],
)
def test_a_size(written: str, size: int) -> None:
    assert Size().convert(written, None, None) == size


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2030-01-31", "2030-01-31T00:00:00+00:00"),
        ("2030-01-31T12:00", "2030-01-31T12:00:00+00:00"),
        ("2030-01-31T12:00:00+02:00", "2030-01-31T10:00:00+00:00"),
    ],
)
def test_a_moment(written: str, moment: str) -> None:
    assert Moment().convert(written, None, None) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("written", ["", "30", "d", "-1d", "1y", "1234567d", "1.5d"])
def test_what_is_no_age(written: str) -> None:
    with pytest.raises(click.BadParameter, match="is no age: write it as 90m"):
        Age().convert(written, None, None)


def test_a_beginning_is_an_age_or_a_moment() -> None:
    end = datetime(2030, 1, 31, 12, tzinfo=UTC)
    found = [start_of(Since().convert(one, None, None), end) for one in ("12h", "2030-01-31")]
    assert found == [datetime(2030, 1, 31, tzinfo=UTC)] * 2
    assert start_of(timedelta(weeks=999_999), end) == datetime.min.replace(tzinfo=UTC)
    with pytest.raises(click.BadParameter, match="neither an age, as 12h or 30d, nor"):
        Since().convert("often", None, None)


@pytest.mark.parametrize("written", ["", "GB", "-1", "1ib", "1e9", "9" * 13])
def test_what_is_no_size(written: str) -> None:
    with pytest.raises(click.BadParameter, match="is no size: write it as 500MB"):
        Size().convert(written, None, None)


@pytest.mark.parametrize("written", ["", "today", "2030-13-01", "0001-01-01T00:00:00+10:00"])
def test_what_is_no_moment(written: str) -> None:
    with pytest.raises(click.BadParameter, match="is no moment: write it as 2030-01-31"):
        Moment().convert(written, None, None)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (123_456, "123 kB"), (2 * 10**15, "2000 TB")],
)
def test_a_size_as_text(size: int, said: str) -> None:
    assert size_text(size) == said


def test_a_moment_before_any_record() -> None:
    with pytest.raises(click.BadParameter, match="is before 1970: nothing was recorded then"):
        Moment().convert("0001-01-15", None, None)
