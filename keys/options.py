"""Rates and lists as people write them on the command line."""

import re
from typing import Final

import click

from records.key import MAX_RATE, MIN_RATE, UNITS

_RATE: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*/\s*([smh])")


class Rate(click.ParamType[float]):
    """Images or labels a second: ``50/s``, ``600/m``, ``1000/h``."""

    name = "rate"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        match = _RATE.fullmatch(str(value).strip().lower())
        rate = float(match[1]) / UNITS[match[2]] if match else 0.0
        if not MIN_RATE <= rate <= MAX_RATE:
            self.fail(
                f"{value!r} is not a valid rate: write it as 50/s, 600/m or 1000/h.", param, ctx
            )
        return rate


class Names(click.ParamType[tuple[str, ...]]):
    """Names between commas: ``predict,label``."""

    name = "names"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(part.strip() for part in str(value).split(","))
        if not all(names):
            self.fail(f"{value!r} is not a list of names: write them as a,b.", param, ctx)
        return names
