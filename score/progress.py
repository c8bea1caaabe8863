"""The progress of a run on stderr: a bar on a terminal, else a line every ten seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from score.run import OnProgress

_LINE_SECONDS = 10


class Pace:
    """The rate since the first call, without what an earlier process had done."""

    def __init__(self, done: int, now: float) -> None:
        self._start = (done, now)

    def text(self, done: int, total: int, now: float) -> str:
        """Such as ``8,100 images/s, 0:02:10 left``; empty while the rate is unknown."""
        first, start = self._start
        if done <= first or now <= start:
            return ""
        rate = (done - first) / (now - start)
        remaining = timedelta(seconds=round((total - done) / rate))
        return f"{rate:,.0f} images/s, {remaining} left"


class _PaceColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(str(task.fields["pace"]))


@contextmanager
def progress(console: Console) -> Iterator[OnProgress]:
    """A function to call with the number of images that are done, and of all."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (TextColumn("Scoring"), BarColumn(), MofNCompleteColumn(), _PaceColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, pace="")
        pace: Pace | None = None

        def advance(done: int, total: int) -> None:
            nonlocal pace
            now = time.monotonic()
            pace = pace or Pace(done, now)
            bar.update(task, completed=done, total=total, pace=pace.text(done, total, now))

        yield advance


def _lines(console: Console) -> OnProgress:
    pace: Pace | None = None
    printed = 0.0

    def advance(done: int, total: int) -> None:
        nonlocal pace, printed
        now = time.monotonic()
        if pace is None:
            pace, printed = Pace(done, now), now
            before = f", {done:,} of them already done" if done else ""
            console.print(f"Scoring {total:,} images{before} ...")
        elif done == total or now - printed >= _LINE_SECONDS:
            printed = now
            text = pace.text(done, total, now)
            console.print(f"{done:,} of {total:,} images{f', {text}' if text else ''}")

    return advance
