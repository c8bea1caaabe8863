"""Ages and sizes as people write them, for the command line."""

import contextlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

_AGES: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# Room enough before it for any window that is reckoned back from a moment.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SIZES: Final = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


class Age(click.ParamType[timedelta]):
    """``30d``, ``12h``, ``90m``, ``4w`` -> timedelta."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6})\s*([mhdw])", str(value).strip().lower())
        if not found:
            self.fail(f"{value!r} is no age: write it as 90m, 12h, 30d or 4w.", param, ctx)
        return timedelta(**{_AGES[found[2]]: int(found[1])})


class Size(click.ParamType[int]):
    """``500MB``, ``2GiB``, ``1000`` -> bytes."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(
            r"(\d{1,12}(?:\.\d{1,3})?)\s*([kmgt]?)(i?)b?", str(value).strip().lower()
        )
        if not found or (found[3] and not found[2]):
            self.fail(f"{value!r} is no size: write it as 500MB, 2GiB or 1000000.", param, ctx)
        return int(float(found[1]) * (_BINARY if found[3] else _SIZES)[found[2]])


class Moment(click.ParamType[datetime]):
    """``2030-01-31`` or ``2030-01-31T12:00:00+02:00``, UTC unless it says otherwise."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
            found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is no moment: write it as 2030-01-31 or 2030-01-31T12:00.", param, ctx
            )
        if found < _FIRST:
            self.fail(f"{value!r} is before 1970: nothing was recorded then.", param, ctx)
        return found


class Since(click.ParamType[timedelta | datetime]):
    """When something begins, as an age or a moment; see ``start_of``."""

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
                f"{value!r} is neither an age, as 12h or 30d, nor a moment, as 2030-01-31.",
                param,
                ctx,
            )


def start_of(since: timedelta | datetime, end: datetime) -> datetime:
    """The moment, or the one that is an age before ``end``."""
    if isinstance(since, datetime):
        return since
    try:
        return end - since
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def size_text(size: int) -> str:
    """``1.5 GB``: three digits that count."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.3g} {unit}"
