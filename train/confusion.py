"""The confusion matrix of an evaluation as a picture."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.manifest import Metrics
from train.drawing import INK, TITLE_INCHES, axes_at, drawing, shortened, write, write_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GLYPH_INCHES = 0.62 / 72
_MIN_TEXT_SIZE = 5
_MAX_LABEL = 24

# The side of a cell by the number of classes, and the largest side of the matrix.
_CELL_INCHES = ([2, 5, 10, 30, 100], [1.1, 0.8, 0.52, 0.34, 0.24])
_MAX_INCHES = 26.0


def confusion_picture(metrics: Metrics) -> bytes:
    """The confusion matrix: proportions of each true class as colors, with counts in the cells.

    Correct predictions are blue and mistakes red: on a common scale, a few mistakes among hundreds
    of correct predictions would be too pale to see. Counts and labels are left out if there are too
    many classes to read them.
    """
    labels = [shortened(entry.label, _MAX_LABEL) for entry in metrics.classes]
    cell = min(float(np.interp(len(labels), *_CELL_INCHES)), _MAX_INCHES / len(labels))
    label_size = float(np.clip(cell * 24, 6.5, 11))
    named = cell * 72 > label_size
    widest = max(map(len, labels)) * label_size * _GLYPH_INCHES if named else 0.0
    upright = widest > cell * 0.92
    left, bottom = widest + 0.55, (widest if upright else 0.25) + 0.5
    side = cell * len(labels)
    height = bottom + side + TITLE_INCHES
    with drawing(max(left + side + 0.3, 4.8), height) as (figure, buffer):
        axes = axes_at(figure, left, bottom, side, side)
        _draw_cells(axes, np.array(metrics.confusion), cell)
        if named:
            ticks = np.arange(len(labels))
            axes.set_xticks(ticks, labels, rotation=90 if upright else 0, parse_math=False)
            axes.set_yticks(ticks, labels, parse_math=False)
            axes.tick_params(length=0, labelsize=label_size, pad=4)
        write(figure, left + side / 2, 0.16, "predicted", ha="center", fontsize=10)
        write(figure, 0.16, bottom + side / 2, "true", va="center", rotation=90, fontsize=10)
        accuracy = metrics.accuracy
        correct = sum(row[index] for index, row in enumerate(metrics.confusion))
        write_title(
            figure,
            0.16,
            f"{correct:,} of {metrics.images:,} images correct",
            f"{accuracy.value:.1%}, 95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}",
        )
    return buffer.getvalue()


def _draw_cells(axes: "Axes", counts: NDArray[np.int64], cell: float) -> None:
    diagonal = np.eye(len(counts), dtype=bool)
    # The square root makes a proportion of 1 % visible.
    shade = 0.85 * np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    for shown, colors in ((diagonal, "Blues"), (~diagonal, "Reds")):
        hidden = np.ma.masked_array(shade, ~shown | (counts == 0))
        axes.imshow(hidden, cmap=colors, vmin=0, vmax=1, interpolation="nearest")
    size = min(11.0, cell * 72 / max(2, len(str(counts.max()))))
    if size >= _MIN_TEXT_SIZE:
        for row, column in np.argwhere(counts):
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=size,
                color="white" if shade[row, column] > 0.55 else INK,
            )
        lines = np.arange(len(counts) - 1) + 0.5
    else:
        lines = np.array([])
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xticks(lines, minor=True)
    axes.set_yticks(lines, minor=True)
    axes.tick_params(which="minor", length=0)
    axes.grid(which="minor", color="#e4e7eb", linewidth=0.6)
