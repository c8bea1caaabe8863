"""The steps of a training on stderr, as they happen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Advance = Callable[[str, int, int], None]
"""Called with (step, done, total)."""


@contextmanager
def progress() -> Iterator[Advance]:
    """A bar on stderr for each step as it begins; without a terminal, a line."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    tasks = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def advance(step: str, done: int, total: int) -> None:
            if step not in tasks:
                if not console.is_terminal:
                    click.echo(f"{step} ...", err=True)
                tasks[step] = bars.add_task(step, total=None, count="")
            # A step without parts has a moving bar until it is done.
            countable = total > 1
            bars.update(
                tasks[step],
                completed=done,
                total=total if countable or done else None,
                count=f"{done:,}/{total:,}" if countable else "",
            )

        yield advance
