"""What all commands share: they print an error as one sentence, and Ctrl-C without a traceback.

Exit codes: 0 success, 1 a PupilaError, 2 wrong usage (click's own), 3 an alarm of the monitor, 130
interrupted.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from errors import PupilaError

if TYPE_CHECKING:
    from rich.console import Console

ALARM = 3
INTERRUPTED = 130

_PROGRESS_SECONDS = 2.0


@contextmanager
def _errors_reported(context: click.Context) -> Iterator[None]:
    try:
        yield
    except PupilaError as error:
        click.echo(f"Error: {error}", err=True)
        context.exit(1)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        context.exit(INTERRUPTED)


class Command(click.Command):
    """A click command that prints a PupilaError on stderr and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        with _errors_reported(ctx):
            return super().invoke(ctx)


class Group(click.Group):
    """A click group of such commands and groups."""

    command_class = Command
    group_class = type


def console(width: int = 160) -> "Console":
    """Of ``width`` without a terminal, so that tables are not cut; [brackets] are not markup."""
    from rich.console import Console

    found = Console(highlight=False, markup=False)
    return found if found.is_terminal else Console(highlight=False, markup=False, width=width)


def progress(line: str) -> Callable[[int], None]:
    """Prints how far it is on stderr, each few seconds: a ``line`` with a place for the number."""
    last = time.monotonic()

    def tell(number: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _PROGRESS_SECONDS:
            last = time.monotonic()
            click.echo(line.format(number), err=True)

    return tell


def counted(count: int, noun: str) -> str:
    """``1 image``, ``2,000 images``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def printable(text: str) -> str:
    """The text with a question mark for each control character, which could act on a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
