"""Options that several scripts have."""

from collections.abc import Callable

import click


def listed(known: tuple[str, ...]) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """A click callback: some of these by their names, with commas between, or "all"."""

    def chosen(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
        names = list(known) if value == "all" else value.split(",")
        for name in names:
            if name not in known:
                raise click.BadParameter(f"{name!r} is none of {', '.join(known)}.")
        return names

    return chosen
