"""The steps of a training on stderr, as they happen: how far, and about how much longer."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

Advance = Callable[[str, int, int], None]
"""Called with (step, done, total)."""

_FIRST_SECONDS: Final = 2.0
_GROWTH: Final = 1.5
_LONGEST_SECONDS: Final = 30.0
_TICK_SECONDS: Final = 0.5
# A rate is not known before.
_KNOWN_SECONDS: Final = 1.0


@dataclass
class Step:
    """A step that has begun. ``expected``: seconds in all; ``next_line``: when to say the next."""

    name: str
    began: float
    expected: float | None = None
    done: int = 0
    total: int = 1
    next_line: float = _FIRST_SECONDS
    finished: bool = False

    @property
    def countable(self) -> bool:
        return self.total > 1

    def rest(self, elapsed: float) -> float | None:
        """Seconds until it ends, by the parts that are done or by what was expected."""
        if self.countable:
            if not self.done or elapsed < _KNOWN_SECONDS:
                return None
            return elapsed * (self.total - self.done) / self.done
        if self.expected is None or elapsed > self.expected:
            return None
        return self.expected - elapsed

    def outlook(self, elapsed: float) -> str:
        """What a person reads beside the step."""
        rest = self.rest(elapsed)
        if rest is not None:
            return f"about {duration(rest)} to go"
        if self.expected is not None and elapsed > self.expected:
            return f"longer than the {duration(self.expected)} expected"
        return ""

    def line(self, elapsed: float) -> str | None:
        """For a log, once it is due: after 2 s and then ever more rarely, up to every 30 s."""
        if self.finished or elapsed < self.next_line:
            return None
        while self.next_line <= elapsed:
            self.next_line += min(_GROWTH * self.next_line, _LONGEST_SECONDS)
        count = f"{self.done:,}/{self.total:,}, " if self.countable else ""
        outlook = self.outlook(elapsed)
        return f"{self.name}: {count}{duration(elapsed)}{', ' + outlook if outlook else ''} ..."


def duration(seconds: float) -> str:
    """For people: ``8 s``, ``3 min``, ``2 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


class Steps(ABC):
    """Told of each step as it goes on. ``tick`` is called twice a second, from another thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._steps: dict[str, Step] = {}
        self._expected: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, step: str, done: int, total: int) -> None:
        with self._lock:
            if step not in self._steps:
                self._begin_after_the_others(Step(step, self._now(), self._expected.get(step)))
            found = self._steps[step]
            found.done, found.total = done, total
            found.finished = done >= total
            self._show(found)

    def expect(self, step: str, seconds: float) -> None:
        """About how long a step will take, before it begins; for one without parts to count."""
        with self._lock:
            self._expected[step] = seconds

    def tick(self) -> None:
        with self._lock:
            for step in self._steps.values():
                self._tick(step, self._now() - step.began)

    def _begin_after_the_others(self, step: Step) -> None:
        for earlier in self._steps.values():
            if not earlier.finished:
                earlier.finished = True
                self._show(earlier)
        self._begin(step)
        self._steps[step.name] = step

    @abstractmethod
    def _begin(self, step: Step) -> None:
        """Of a step that nothing was shown of."""

    @abstractmethod
    def _show(self, step: Step) -> None:
        """How far it is, which has changed."""

    @abstractmethod
    def _tick(self, step: Step, elapsed: float) -> None:
        """How much longer it takes, after ``elapsed`` seconds."""


class Log(Steps):
    """Steps as lines, for files and pipes."""

    def __init__(
        self, write: Callable[[str], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(now)
        self._write = write

    def _begin(self, step: Step) -> None:
        self._write(f"{step.name} ...")

    def _show(self, step: Step) -> None:
        """With the next line that is due."""

    def _tick(self, step: Step, elapsed: float) -> None:
        line = step.line(elapsed)
        if line is not None:
            self._write(line)


class Bars(Steps):
    """Steps as bars on a terminal, which rich draws by itself."""

    def __init__(self, bars: Progress) -> None:
        super().__init__()
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def _begin(self, step: Step) -> None:
        self._tasks[step.name] = self._bars.add_task(step.name, total=None, count="", outlook="")

    def _show(self, step: Step) -> None:
        # A step without parts has a moving bar until it is done.
        self._bars.update(
            self._tasks[step.name],
            completed=step.done,
            total=step.total if step.countable or step.done else None,
            count=f"{step.done:,}/{step.total:,}" if step.countable else "",
        )
        self._tick(step, self._now() - step.began)

    def _tick(self, step: Step, elapsed: float) -> None:
        outlook = "" if step.finished else step.outlook(elapsed)
        self._bars.update(self._tasks[step.name], outlook=outlook)


@contextmanager
def progress() -> Iterator[Steps]:
    """A bar on stderr for each step as it begins; without a terminal, lines."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[outlook]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        steps: Steps
        steps = Bars(bars) if console.is_terminal else Log(lambda line: click.echo(line, err=True))
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(_TICK_SECONDS):
                steps.tick()

        ticking = threading.Thread(target=tick, daemon=True)
        ticking.start()
        try:
            yield steps
        finally:
            ended.set()
            ticking.join()
