"""What the command lines share: an error is one sentence, and Ctrl-C leaves no traceback.

Exit codes: 0 done, 1 a PupilaError, 2 wrong usage (click's own), 130 interrupted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from errors import PupilaError

INTERRUPTED = 130


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
    """A click command that reports a PupilaError as one sentence on stderr and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        with _errors_reported(ctx):
            return super().invoke(ctx)


class Group(click.Group):
    """A click group whose commands all do."""

    command_class = Command
    group_class = type
