"""The picture of it: accuracy, who answered, and latency over time, with what happened."""

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from demo.ledger import accuracy
from demo.totals import Totals
from demo.traffic import Answer
from demo.view import BAD, CURE, FIRST, View

SIZE: Final = (1600, 900)
"""Pixels across and down."""

_DPI: Final = 100
_BIN_SECONDS: Final = 2.0
_INK, _GRAY = "#1d2733", "#5b6470"
_COLORS: Final = {FIRST: "#3b6fb6", CURE: "#2f9e6e", BAD: "#d1495b"}
_TONES: Final = {"act": "#c8641b", "bad": "#d1495b", "good": "#2f9e6e"}
_HEIGHTS: Final = 4

Bins = list[tuple[float, list[Answer]]]


def draw(view: View, found: Totals, path: Path) -> None:
    """Write it as a PNG."""
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
        axes.tick_params(colors=_GRAY, labelsize=11)
        axes.margins(x=0)
    _events(upper, (middle, lower), view)
    _levels(upper, view, found)
    lower.set_xlabel("seconds", color=_GRAY, fontsize=11)
    figure.suptitle(
        "Pupila: a model goes wrong, and comes right again, with nobody watching",
        x=0.06, y=0.975, ha="left", fontsize=20, fontweight="bold", color=_INK,
    )  # fmt: skip
    figure.text(0.06, 0.905, found.line(), fontsize=11.5, color=_GRAY)
    figure.subplots_adjust(left=0.06, right=0.98, top=0.765, bottom=0.07, hspace=0.14)
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    """With a palette: a third of the bytes, and nobody sees the difference."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=_DPI, format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(buffer) as picture:
        picture.convert("RGB").quantize(128).save(path, "PNG", optimize=True)


def _bins(view: View) -> Bins:
    """Answers by the middle of the seconds in which they were sent, since the first; those at an
    end with few are left out."""
    found: dict[int, list[Answer]] = {}
    for one in view.ledger.answers:
        found.setdefault(int((one.at - view.zero) // _BIN_SECONDS), []).append(one)
    usual = np.median([len(answers) for answers in found.values()]) if found else 0
    return [
        ((number + 0.5) * _BIN_SECONDS, answers)
        for number, answers in sorted(found.items())
        if len(answers) > usual / 3
    ]


def _accuracy(axes: Any, bins: Bins) -> None:
    times = [at for at, _ in bins]
    right = [100 * (accuracy(answers) or 0.0) for _, answers in bins]
    axes.plot(times, right, color=_INK, linewidth=2.4)
    axes.fill_between(times, right, color=_INK, alpha=0.07)
    axes.set_ylim(min([50.0, *right]) - 5, 102)
    axes.set_ylabel("accuracy of the answers, %", color=_GRAY, fontsize=11)
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
        axes.legend(loc="center right", framealpha=0.9, fontsize=11)
    axes.set_ylim(0, 100)
    axes.set_ylabel("answered by, %", color=_GRAY, fontsize=11)


def _latency(axes: Any, bins: Bins) -> None:
    times = [at for at, _ in bins]
    values = [[1000 * a.seconds for a in answers if a.status] or [0.0] for _, answers in bins]
    axes.plot(times, [np.percentile(one, 99) for one in values], color="#8a6fb0", label="p99")
    axes.plot(times, [np.percentile(one, 50) for one in values], color="#3b6fb6", label="p50")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.set_ylim(bottom=1)
    axes.set_ylabel("latency, ms", color=_GRAY, fontsize=11)
    axes.grid(axis="y", alpha=0.25)
    if times:
        axes.legend(loc="upper right", ncols=2, framealpha=0.9, fontsize=11)


def _events(upper: Any, others: tuple[Any, ...], view: View) -> None:
    """A line through all three, and its name above the first, at the lowest of several heights at
    which it covers none before it."""
    ends = [float("-inf")] * _HEIGHTS
    length = view.length
    for event in view.marked():
        at = event.at - view.zero
        color = _TONES.get(event.kind, _GRAY)
        for axes in (upper, *others):
            axes.axvline(at, color=color, linewidth=1, alpha=0.6, linestyle=(0, (4, 3)))
        width = length * (0.0072 * len(event.mark) + 0.012)
        left = at + width < length
        start = at if left else at - width
        height = next((h for h in range(_HEIGHTS) if start > ends[h]), ends.index(min(ends)))
        ends[height] = start + width
        upper.annotate(
            event.mark,
            (at, 1.015 + 0.062 * height),
            xycoords=("data", "axes fraction"),
            color=color,
            fontsize=12,
            ha="left" if left else "right",
        )


def _levels(axes: Any, view: View, found: Totals) -> None:
    """The three accuracies, beside the line where each was measured; the time between the shift and
    the promotion is shaded."""
    shift, promoted = view.first("shift"), view.first("promoted")
    if shift is None:
        return
    broken = shift.at - view.zero
    mended = view.length if promoted is None else promoted.at - view.zero
    axes.axvspan(broken, mended, color=_COLORS[BAD], alpha=0.05, linewidth=0)
    for value, above, start, end in (
        (found.before, -13, 0.0, broken),
        (found.worst, 9, broken, mended),
        (found.after, -13, mended, view.length),
    ):
        if value is not None:
            where = ((start + end) / 2, 100 * value + above)
            axes.text(
                *where, f"{value:.1%}", fontsize=19, fontweight="bold", color=_INK, ha="center"
            )
