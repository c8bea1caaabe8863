"""Plots as SVG, made of texts that are escaped and of numbers, styled by our stylesheet."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from console.language import Words

_WIDTH: Final = 400
_HEIGHT: Final = 150
_LEFT: Final = 44
_BOTTOM: Final = 22
_TOP: Final = 8


class Whisker(NamedTuple):
    """A value with its interval at a time; ``state``: of the report that has it."""

    at: datetime
    value: float
    low: float
    high: float
    state: str


class Mark(NamedTuple):
    """A count at a time; ``state``: of the report that has it."""

    at: datetime
    value: int
    state: str


def bars(
    words: Words,
    title: str,
    starts: Sequence[datetime],
    values: Sequence[int],
    bad: Sequence[int] = (),
) -> Markup:
    """A bar for each step, with its ``bad`` part in another color."""
    top = nice(max([*values, 1]))
    plot = _Plot(words, title, top, 0.0)
    width = plot.inner / max(1, len(starts))
    for at, value in enumerate(values):
        left = _LEFT + at * width
        plot.rect("fill", left, value, width)
        if at < len(bad) and bad[at]:
            plot.rect("bad", left, bad[at], width)
    plot.grid([0.0, top / 2, top] if top % 2 == 0 else [0.0, top], words.number)
    plot.times(starts)
    return plot.svg()


def stacks(
    words: Words,
    title: str,
    starts: Sequence[datetime],
    series: Sequence[Sequence[int]],
    wholes: Sequence[int],
) -> Markup:
    """For each step, which share each series has of the whole, one upon the other; the rest is
    left empty."""
    plot = _Plot(words, title, 1.0, 0.0)
    width = plot.inner / max(1, len(starts))
    for at, whole in enumerate(wholes):
        below = 0.0
        for rank, one in enumerate(series):
            share = one[at] / max(whole, 1)
            if share:
                plot.rect(f"c{rank}", _LEFT + at * width, below + share, width, below)
            below += share
    plot.grid([0.0, 0.5, 1.0], lambda one: words.percent(one, 0))
    plot.times(starts)
    return plot.svg()


def marks(words: Words, title: str, found: Sequence[Mark], most: int) -> Markup:
    """A count at some times, each in the color of a state."""
    plot = _Plot(words, title, float(most), 0.0)
    first = found[0].at
    span = max((found[-1].at - first).total_seconds(), 1.0)
    for one in found:
        share = (one.at - first).total_seconds() / span if len(found) > 1 else 0.5
        plot.mark(_LEFT + 8 + share * (plot.inner - 16), one.value, one.state)
    plot.grid([0.0, float(most)], words.number)
    plot.times([first, found[-1].at] if len(found) > 1 else [first])
    return plot.svg()


def lines(
    words: Words, title: str, starts: Sequence[datetime], series: Sequence[Sequence[float | None]]
) -> Markup:
    """A line for each series; a gap where there is no value."""
    known = [value for one in series for value in one if value is not None]
    top = nice(max([*known, 1e-9]))
    plot = _Plot(words, title, top, 0.0)
    width = plot.inner / max(1, len(starts))
    for at, one in enumerate(series):
        points = [(_LEFT + (i + 0.5) * width, value) for i, value in enumerate(one)]
        plot.line("line second" if at else "line", points)
        plot.dots("dot second" if at else "dot", points)
    plot.grid([0.0, top / 2, top], lambda one: words.number(one, _digits(top)))
    plot.times(starts)
    return plot.svg()


def whiskers(
    words: Words, title: str, found: Sequence[Whisker], reference: float | None = None
) -> Markup:
    """Proportions with their intervals over time."""
    bottom = min([one.low for one in found] + ([reference] if reference is not None else []))
    bottom = max(0.0, math.floor(bottom * 10) / 10)
    plot = _Plot(words, title, 1.0, bottom)
    first, last = found[0].at, found[-1].at
    span = max((last - first).total_seconds(), 1.0)
    if reference is not None:
        plot.line("axis", [(_LEFT, reference), (_WIDTH, reference)])
    for one in found:
        share = (one.at - first).total_seconds() / span if len(found) > 1 else 0.5
        plot.whisker(_LEFT + 8 + share * (plot.inner - 16), one)
    plot.grid([bottom, (1 + bottom) / 2, 1.0], lambda one: words.percent(one, 0))
    plot.times([first, last] if len(found) > 1 else [first])
    return plot.svg()


def nice(value: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999))


def _digits(top: float) -> int:
    return 0 if top >= 10 else 1 if top >= 1 else 2


class _Plot:
    """``title``: what a screen reader says instead."""

    def __init__(self, words: Words, title: str, top: float, bottom: float) -> None:
        self.inner = _WIDTH - _LEFT
        self._words = words
        self._title = title
        self._top, self._bottom = top, bottom
        self._parts: list[str] = []

    def _y(self, value: float) -> float:
        share = (value - self._bottom) / (self._top - self._bottom)
        return _TOP + (1 - min(max(share, 0.0), 1.0)) * (_HEIGHT - _TOP - _BOTTOM)

    def rect(
        self, kind: str, left: float, value: float, width: float, bottom: float | None = None
    ) -> None:
        y, base = self._y(value), self._y(self._bottom if bottom is None else bottom)
        if value > 0:
            y = min(y, base - 1)
        gap = min(2.0, 0.25 * width)
        self._parts.append(
            f'<rect class="{kind}" x="{left + gap / 2:.1f}" y="{y:.1f}" '
            f'width="{width - gap:.1f}" height="{base - y:.1f}"/>'
        )

    def line(self, kind: str, points: Sequence[tuple[float, float | None]]) -> None:
        path, down = [], False
        for x, value in points:
            if value is None:
                down = False
                continue
            path.append(f"{'L' if down else 'M'}{x:.1f} {self._y(value):.1f}")
            down = True
        self._parts.append(f'<path class="{kind}" stroke-linecap="round" d="{" ".join(path)}"/>')

    def dots(self, kind: str, points: Sequence[tuple[float, float | None]]) -> None:
        """For a value between two gaps, which is no line."""
        self._parts += [
            f'<circle class="{kind}" cx="{x:.1f}" cy="{self._y(value):.1f}" r="2.25"/>'
            for x, value in points
            if value is not None
        ]

    def whisker(self, x: float, one: Whisker) -> None:
        self._parts.append(
            f'<path class="whisker" d="M{x:.1f} {self._y(one.low):.1f}V{self._y(one.high):.1f}"/>'
        )
        self.mark(x, one.value, one.state)

    def mark(self, x: float, value: float, state: str) -> None:
        self._parts.append(
            f'<circle class="mark-{escape(state)}" cx="{x:.1f}" cy="{self._y(value):.1f}" r="4"/>'
        )

    def grid(self, values: Sequence[float], text: Callable[[float], str]) -> None:
        for value in values:
            y = self._y(value)
            self._parts.insert(
                0,
                f'<path class="axis" d="M{_LEFT} {y:.1f}H{_WIDTH}"/>'
                f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(text(value))}'
                "</text>",
            )

    def times(self, starts: Sequence[datetime]) -> None:
        """At both ends."""
        if not starts:
            return
        within = starts[-1] - starts[0] <= timedelta(days=2)
        ends = [(starts[0], _LEFT, "start")]
        if len(starts) > 1:
            ends.append((starts[-1], _WIDTH, "end"))
        for moment, x, anchor in ends:
            text = f"{moment:%H:%M}" if within else f"{moment:%m-%d}"
            self._parts.append(
                f'<text x="{x}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{text}</text>'
            )

    def svg(self) -> Markup:
        inside = "".join(self._parts)
        return Markup(  # noqa: S704 - every text in it is escaped
            f'<svg class="plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'aria-label="{escape(self._title)}">{inside}</svg>'
        )
