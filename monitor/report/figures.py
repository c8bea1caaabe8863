"""The report's figures as SVG, with text as outlines, so that they look the same everywhere."""

import io
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter
from numpy.typing import NDArray

from models.manifest import Label
from monitor.drift.alarm import AlarmRule
from monitor.phrasing import short
from monitor.window.history import PastWindow
from records.reports import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

COLORS: dict[State, str] = {
    "alarm": "#b3261e",
    "warn": "#b07300",
    "calm": "#1a7f4b",
    "unknown": "#7b8794",
}
MAX_CLASSES = 20

_INK, _QUIET, _LINE = "#1f2933", "#616e7c", "#d5dbe1"
_NOW, _BEFORE = "#1f6fb2", "#b8c2cc"
_WIDTH = 7.4
_FLOOR = 1e-6


def timeline(windows: Sequence[PastWindow], rule: AlarmRule) -> str:
    """How unusual each window was: the p-value that the alarm rule uses, smaller ones higher up."""
    known = [window for window in windows if window.evidence is not None]
    times: Any = [window.end for window in known]
    values = [max(window.evidence or 0.0, _FLOOR) for window in known]
    with _drawing(_WIDTH, 2.5) as (figure, buffer):
        axes = _axes(figure)
        axes.set_yscale("log")
        axes.set_ylim(2.5, _FLOOR / 3)
        for limit, text in ((rule.alarm, "alarm limit"), (rule.warn, "warning limit")):
            axes.axhline(limit, color=COLORS["warn"], linewidth=1, linestyle=(0, (4, 3)))
            axes.annotate(
                f"{text} (p < {limit:g})",
                (0, limit),
                xycoords=("axes fraction", "data"),
                xytext=(3, 2.5),
                textcoords="offset points",
                fontsize=8,
                color=COLORS["warn"],
            )
        axes.plot(times, values, color=_BEFORE, linewidth=1.2, zorder=2)
        colors = [COLORS[window.state] for window in known]
        axes.scatter(times, values, c=colors, s=26, zorder=3)
        locator: Any = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        dates = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(dates)
        axes.yaxis.set_major_formatter(FuncFormatter(_p_text))
        axes.set_yticks([1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, _FLOOR])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylabel("p-value (lower is\nmore unusual)", fontsize=8, color=_QUIET)
    return buffer.getvalue()


def class_proportions(
    labels: Sequence[Label], before: NDArray[np.float64], now: NDArray[np.float64]
) -> str:
    """How often each class is predicted; of many classes those that changed most, in order."""
    order = np.arange(len(labels))
    if len(labels) > MAX_CLASSES:
        order = np.sort(np.argsort(-np.abs(now - before), kind="stable")[:MAX_CLASSES])
    positions = np.arange(len(order))
    with _drawing(_WIDTH, 0.9 + 0.3 * len(order)) as (figure, buffer):
        axes = _axes(figure, grid="x")
        axes.barh(positions - 0.19, now[order], 0.36, color=_NOW, label="this window")
        axes.barh(positions + 0.19, before[order], 0.36, color=_BEFORE, label="reference")
        names = [short(labels[index]) for index in order.tolist()]
        axes.set_yticks(positions, names, parse_math=False)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        _legend(axes)
    return buffer.getvalue()


def distribution(
    before: NDArray[np.float32], now: NDArray[np.float32], name: str, *, probability: bool = False
) -> str:
    """Two histograms of one number per image: proportions of the images in 24 bins, which cover 0
    to 1 for a ``probability``, else the middle 99% of the values."""
    both = np.concatenate([before, now])
    low, high = (0.0, 1.0) if probability else np.quantile(both, (0.005, 0.995))
    edges = np.linspace(low, high if high > low else low + 1, 25).tolist()
    with _drawing(_WIDTH / 2 - 0.1, 2.2) as (figure, buffer):
        axes = _axes(figure)
        for values, color, alpha, label in (
            (before, _BEFORE, 1.0, "reference"),
            (now, _NOW, 0.6, "this window"),
        ):
            counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
            heights = counts / max(len(values), 1)
            axes.stairs(heights, edges, fill=True, color=color, alpha=alpha, label=label)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel(name, fontsize=9, color=_INK)
        _legend(axes)
    return buffer.getvalue()


def _p_text(value: float, _position: int) -> str:
    return f"{value:g}" if value > _FLOOR else f"{_FLOOR:g} or less"


def _legend(axes: "Axes") -> None:
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=2,
        fontsize=8,
        frameon=False,
        borderaxespad=0.2,
        handlelength=1.2,
    )


def _axes(figure: Figure, grid: Literal["x", "y"] = "y") -> "Axes":
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_LINE)
    axes.grid(axis=grid, color="#eef1f4")
    axes.tick_params(length=0, labelsize=8.5, labelcolor=_INK)
    return axes


@contextmanager
def _drawing(width: float, height: float) -> "Iterator[tuple[Figure, io.StringIO]]":
    """A figure of the given size in inches, and the buffer that holds its SVG after the block.

    No pyplot, no user style and no date in the file: the same input gives the same text.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        # Characters that the bundled font lacks are drawn as boxes and must not fail the report.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams["svg.hashsalt"] = "pupila"
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
        buffer = io.StringIO()
        yield figure, buffer
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
