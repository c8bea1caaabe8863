"""The screen: a board on a terminal, and plain lines elsewhere."""

import time
from typing import Final, Protocol

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import cli
from cli import printable
from demo.event import Kind
from demo.ledger import accuracy, latency, shares
from demo.pace import differences
from demo.traffic import RATE
from demo.view import BAD, CURE, FIRST, View

RECENT_SECONDS: Final = 3.0
"""The answers that the accuracy and the shares on the screen are of."""

STYLES: Final[dict[Kind, str]] = {
    "act": "bold",
    "monitor": "dim",
    "labels": "cyan",
    "retrain": "magenta",
    "rollout": "blue",
    "good": "bold green",
    "bad": "bold red",
}
COLORS: Final = {FIRST: "blue", CURE: "green", BAD: "red"}

_LINE_SECONDS: Final = 5.0
_REFRESH: Final = 5
_SHOWN: Final = 11
_COLUMNS: Final = 70
_ROWS: Final = 4
_LEVELS: Final = "▁▂▃▄▅▆▇█"
_LOWEST: Final = 0.4


class Screen(Protocol):
    def show(self, view: View) -> None:
        """Show it as it is now; as often as one likes."""

    def close(self) -> None: ...


class Lines:
    """A line for each event, and one every few seconds with the figures."""

    def __init__(self) -> None:
        self._said = 0
        self._next = 0.0
        for one in differences():
            click.echo(f"fast-forward: {one.name} is {one.here}, in production {one.there}")

    def show(self, view: View) -> None:
        new = view.events[self._said :]
        self._said = len(view.events)
        for event in new:
            click.echo(f"{_clock(view.after(event))}  {event.kind:8}{printable(event.text)}")
        now = time.monotonic()
        if view.ledger.answers and now > self._next:
            self._next = now + _LINE_SECONDS
            click.echo(f"{_clock(now - view.began)}  {_figures(view)}")

    def close(self) -> None:
        """Nothing is open."""


class Board:
    """Redrawn a few times a second."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=_REFRESH, transient=False)
        self._live.start()
        self._drawn = 0.0

    def show(self, view: View) -> None:
        now = time.monotonic()
        if now - self._drawn > 1 / _REFRESH:
            self._drawn = now
            self._live.update(board(view, now))

    def close(self) -> None:
        self._live.stop()


def screen() -> Screen:
    """Of this process's stdout."""
    console = cli.console()
    return Board(console) if console.is_terminal else Lines()


def board(view: View, now: float) -> RenderableType:
    """All of it, some 32 lines of 100 characters or more."""
    head = Text.assemble(
        ("Pupila: production in fast-forward", "bold"), f"   {_clock(now - view.began)}"
    )
    act = Text(printable(view.act or "getting ready"), style="bold yellow")
    return Panel(
        Group(act, Text(), _gauges(view), Text(), _events(view), Text(), _paces()), title=head
    )


def _gauges(view: View) -> RenderableType:
    recent = view.ledger.last(RECENT_SECONDS)
    right, times = accuracy(recent), latency(recent)
    grid = Table.grid(padding=(0, 2))
    now = "" if right is None else f"{right:.1%}"
    grid.add_row("accuracy", Text(f"{now:>6}", style=_tone(right)), _history(view))
    grid.add_row("answers by", "", _shares(view))
    took = "" if times is None else f"p50 {times[0]:.1f} ms, p99 {times[1]:.1f} ms"
    sent = ", ".join(f"{count:,} {why}" for why, count in view.labels.items())
    grid.add_row("latency", "", took)
    grid.add_row("labels sent", "", sent)
    failed = view.ledger.failed
    style = "bold red" if failed else "bold green"
    grid.add_row(
        "requests",
        "",
        Text.assemble(
            f"{len(view.ledger.answers):,} at {RATE} a second, ", (f"failed: {failed:,}", style)
        ),
    )
    return grid


def _history(view: View) -> Text:
    """The accuracy of each of the last seconds, as columns of blocks."""
    if not view.ledger.answers:
        return Text("\n" * (_ROWS - 1))
    end = view.ledger.answers[-1].at
    bins: list[list[int]] = [[0, 0] for _ in range(_COLUMNS)]
    for one in reversed(view.ledger.answers):
        column = _COLUMNS - 1 - int((end - one.at) / RECENT_SECONDS)
        if column < 0:
            break
        if column < _COLUMNS:
            bins[column][0] += one.prediction == one.truth
            bins[column][1] += 1
    values = [right / count if count else None for right, count in bins]
    rows = []
    for row in reversed(range(_ROWS)):
        line = Text()
        for value in values:
            line.append(_block(value, row), style=_tone(value))
        rows.append(line)
    return Text("\n").join(rows)


def _block(value: float | None, row: int) -> str:
    """The part of a column in a row, counted from below."""
    if value is None:
        return " "
    height = (value - _LOWEST) / (1 - _LOWEST) * _ROWS * len(_LEVELS)
    level = round(max(1.0, height)) - row * len(_LEVELS)
    return " " if level <= 0 else _LEVELS[min(level, len(_LEVELS)) - 1]


def _shares(view: View) -> Text:
    text = Text()
    for version, share in shares(view.ledger.last(RECENT_SECONDS)).items():
        name = view.name(version)
        text.append("█" * round(share * _COLUMNS / 2), style=COLORS.get(name, "white"))
        text.append(f" {name} {share:.0%}  ")
    return text


def _events(view: View) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(no_wrap=True, overflow="ellipsis")
    shown = sorted(view.events, key=lambda one: one.at)[-_SHOWN:]
    for event in shown:
        style = STYLES[event.kind]
        grid.add_row(_clock(view.after(event)), Text(printable(event.text), style=style))
    for _ in range(_SHOWN - len(shown)):
        grid.add_row("", "")
    return grid


def _paces() -> RenderableType:
    """In two columns, the left one first."""
    grid = Table.grid(padding=(0, 2))
    cells = [("in fast-forward", "here", "production")]
    cells += [(one.name, one.here, one.there) for one in differences()]
    half = (len(cells) + 1) // 2
    cells += [("", "", "")] * (2 * half - len(cells))
    for left, right in zip(cells[:half], cells[half:], strict=True):
        grid.add_row(*[Text(text, style="dim", no_wrap=True) for text in (*left, *right)])
    return grid


def _figures(view: View) -> str:
    recent = view.ledger.last(RECENT_SECONDS)
    right, times = accuracy(recent), latency(recent)
    parts = [f"accuracy {right:.1%}" if right is not None else "no answers"]
    parts += [f"{view.name(name)} {share:.0%}" for name, share in shares(recent).items()]
    parts += [] if times is None else [f"p50 {times[0]:.1f} ms, p99 {times[1]:.1f} ms"]
    parts += [f"{sum(view.labels.values()):,} labels", f"failed {view.ledger.failed}"]
    return "; ".join(parts)


def _tone(value: float | None) -> str:
    if value is None:
        return "dim"
    return "green" if value > 0.9 else "yellow" if value > 0.8 else "red"


def _clock(seconds: float) -> str:
    whole = int(max(0.0, seconds))
    return f"{whole // 60}:{whole % 60:02}"
