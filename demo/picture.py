"""The picture of it: accuracy, who answered, and latency over time, with what happened."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from demo.event import Event
from demo.ledger import accuracy
from demo.traffic import Answer
from demo.view import BAD, CURE, FIRST, View

SIZE: Final = (1600, 900)
"""Pixels across and down."""

_DPI: Final = 100
_BIN_SECONDS: Final = 2.0
_COLORS: Final = {FIRST: "#3b6fb6", CURE: "#2f9e6e", BAD: "#d1495b"}
_TONES: Final = {"act": "#e07a1f", "bad": "#d1495b", "good": "#2f9e6e"}
_GRAY: Final = "#5b6470"


def draw(view: View, path: Path, title: str) -> None:
    """Write it as a PNG. ``title``: the line of totals."""
    # Not pyplot: it would look for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIZE[0] / _DPI, SIZE[1] / _DPI), dpi=_DPI)
    FigureCanvasAgg(figure)
    upper, middle, lower = figure.subplots(3, 1, sharex=True, height_ratios=[3, 1.3, 1.3])
    bins = _bins(view)
    _accuracy(upper, bins)
    _shares(middle, view, bins)
    _latency(lower, bins)
    for axes in (upper, middle, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_GRAY)
        axes.margins(x=0)
    _events(upper, (middle, lower), view)
    lower.set_xlabel("seconds", color=_GRAY)
    figure.suptitle(
        "Pupila: a model goes wrong, and comes right again, with nobody watching",
        x=0.06, y=0.975, ha="left", fontsize=19, fontweight="bold",
    )  # fmt: skip
    figure.text(0.06, 0.915, title, fontsize=11.5, color=_GRAY)
    figure.subplots_adjust(left=0.06, right=0.98, top=0.76, bottom=0.07, hspace=0.14)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DPI, format="png", pil_kwargs={"optimize": True})


Bins = list[tuple[float, list[Answer]]]


def _bins(view: View) -> Bins:
    """Answers by the middle of the seconds in which they were sent, since the first; those at
    an end with few are left out."""
    found: dict[int, list[Answer]] = {}
    for one in view.ledger.answers:
        found.setdefault(int((one.at - _zero(view)) // _BIN_SECONDS), []).append(one)
    usual = np.median([len(answers) for answers in found.values()]) if found else 0
    return [
        ((number + 0.5) * _BIN_SECONDS, answers)
        for number, answers in sorted(found.items())
        if len(answers) > usual / 2
    ]


def _zero(view: View) -> float:
    return view.ledger.answers[0].at if view.ledger.answers else view.began


def _accuracy(axes: Any, bins: Bins) -> None:
    times = [at for at, _ in bins]
    right = [100 * (accuracy(answers) or 0.0) for _, answers in bins]
    axes.plot(times, right, color="#1d2733", linewidth=2.4)
    axes.fill_between(times, right, color="#1d2733", alpha=0.07)
    axes.set_ylim(min([50.0, *right]) - 5, 102)
    axes.set_ylabel("accuracy of the answers, %", color=_GRAY)
    axes.grid(axis="y", alpha=0.25)


def _shares(axes: Any, view: View, bins: Bins) -> None:
    times = [at for at, _ in bins]
    names = [name for name in (FIRST, CURE, BAD) if name in view.names.values()]
    rows = [
        [100 * np.mean([view.name(a.version) == name for a in answers]) for _, answers in bins]
        for name in names
    ]
    if rows and times:
        colors = [_COLORS[name] for name in names]
        axes.stackplot(times, rows, labels=names, colors=colors, alpha=0.85)
        axes.legend(loc="center right", framealpha=0.9, fontsize=10)
    axes.set_ylim(0, 100)
    axes.set_ylabel("answered by, %", color=_GRAY)


def _latency(axes: Any, bins: Bins) -> None:
    times = [at for at, _ in bins]
    values = [[1000 * a.seconds for a in answers if a.status] or [0.0] for _, answers in bins]
    axes.plot(times, [np.percentile(one, 99) for one in values], color="#8a6fb0", label="p99")
    axes.plot(times, [np.percentile(one, 50) for one in values], color="#3b6fb6", label="p50")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("latency, ms", color=_GRAY)
    axes.grid(axis="y", alpha=0.25)
    if times:
        axes.legend(loc="center right", framealpha=0.9, fontsize=10)


def _events(upper: Any, others: tuple[Any, ...], view: View) -> None:
    """A line through all three, and its name above the first, at one of several heights so that
    neighbours do not cover each other."""
    last: dict[int, float] = {}
    for event in view.marked():
        at = event.at - _zero(view)
        color = _TONES.get(event.kind, _GRAY)
        for axes in (upper, *others):
            axes.axvline(at, color=color, linewidth=1, alpha=0.6, linestyle=(0, (4, 3)))
        height = next((h for h in range(4) if at - last.get(h, -1e9) > _room(view, event)), 3)
        last[height] = at
        upper.annotate(
            event.mark,
            (at, 1.015 + 0.058 * height),
            xycoords=("data", "axes fraction"),
            color=color,
            fontsize=11,
            ha="left",
        )


def _room(view: View, event: Event) -> float:
    """Seconds that the name of an event takes on the picture."""
    answers = view.ledger.answers
    length = answers[-1].at - answers[0].at if answers else 60.0
    return length * (0.0075 * max(len(event.mark), 8) + 0.01)
