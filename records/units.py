"""Durations, times and sizes as people write them on the command line."""

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from sizes import size_of

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_YEAR: Final = timedelta(days=365)
# Early enough for all records, and late enough to subtract any window from it.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Age(click.ParamType[timedelta]):
    """A duration: ``30d``, ``12h``, ``90m``, ``45s``, ``4w``."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,6})\s*([smhdw])", str(value).strip().lower())
        if not match:
            self.fail(
                f"{value!r} is not a valid duration: write it as 90m, 12h, 30d or 4w.", param, ctx
            )
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


class Interval(Age):
    """A duration between two looks: not none, and a year at most."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        found = super().convert(value, param, ctx)
        if not timedelta(0) < found <= _YEAR:
            self.fail("must be between 1s and 365d.", param, ctx)
        return found


class Size(click.ParamType[int]):
    """A number of bytes: ``500MB``, ``2GiB``, ``1000``."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = size_of(str(value))
        if found is None:
            self.fail(
                f"{value!r} is not a valid size: write it as 500MB, 2GiB or 1000000.", param, ctx
            )
        return found


class Moment(click.ParamType[datetime]):
    """A time: ``2030-01-31`` or ``2030-01-31T12:00:00+02:00``; UTC without an offset."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a valid time: write it as 2030-01-31 or 2030-01-31T12:00.",
                param,
                ctx,
            )
        if moment < _FIRST:
            self.fail(f"{value!r} is before 1970, when nothing was recorded.", param, ctx)
        return moment


class Since(click.ParamType[timedelta | datetime]):
    """When something begins: a time, or how long ago; see ``start_of``."""

    name = "since"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta | datetime:
        with contextlib.suppress(click.BadParameter):
            return Age().convert(value, param, ctx)
        try:
            return Moment().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(
                f"{value!r} is not a duration such as 12h or 30d, or a time such as 2030-01-31.",
                param,
                ctx,
            )


def start_of(since: timedelta | datetime, end: datetime) -> datetime:
    """The time itself, or that long before ``end``."""
    if isinstance(since, datetime):
        return since
    try:
        return end - since
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
