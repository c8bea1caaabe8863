"""The confusion matrix of an evaluation as a picture."""

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from cli import counted
from models.manifest import Metrics
from train.drawing import INK, TITLE_INCHES, Drawing, reproducible, shortened

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
    with reproducible():
        drawing = Drawing(max(left + side + 0.3, 4.8), bottom + side + TITLE_INCHES)
        _draw_cells(drawing, np.array(metrics.confusion), left, bottom, cell)
        for index, label in enumerate(labels if named else []):
            middle = (index + 0.5) * cell
            style = {"fontsize": label_size, "va": "top", "ha": "center"}
            drawing.text(left + middle, bottom - 0.06, label, rotation=90 * upright, **style)
            style = {"fontsize": label_size, "va": "center", "ha": "right"}
            drawing.text(left - 0.06, bottom + side - middle, label, **style)
        drawing.text(left + side / 2, 0.16, "predicted", ha="center", fontsize=10)
        drawing.text(0.16, bottom + side / 2, "true", va="center", rotation=90, fontsize=10)
        accuracy = metrics.accuracy
        correct = sum(row[index] for index, row in enumerate(metrics.confusion))
        drawing.title(
            0.16,
            f"{correct:,} of {counted(metrics.images, 'image')} correct",
            f"{accuracy.value:.1%}, 95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}",
        )
        return drawing.png()


def _draw_cells(
    drawing: Drawing, counts: NDArray[np.int64], left: float, bottom: float, cell: float
) -> None:
    # The square root makes a proportion of 1 % visible.
    shade = 0.85 * np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    diagonal = np.eye(len(counts), dtype=bool)[:, :, None]
    blues, reds = (mpl.colormaps[name](shade)[:, :, :3] for name in ("Blues", "Reds"))
    colors = np.where((counts == 0)[:, :, None], 1.0, np.where(diagonal, blues, reds))
    side = cell * len(counts)
    drawing.image(left, bottom, side, side, np.rint(colors * 255).astype(np.uint8))
    size = min(11.0, cell * 72 / max(2, len(str(counts.max()))))
    if size < _MIN_TEXT_SIZE:
        return
    for row, column in np.argwhere(counts):
        drawing.text(
            left + (column + 0.5) * cell,
            bottom + side - (row + 0.5) * cell,
            str(counts[row, column]),
            ha="center",
            va="center_baseline",
            fontsize=size,
            color="white" if shade[row, column] > 0.55 else INK,
        )
    for index in range(1, len(counts)):
        x, y = left + index * cell, bottom + index * cell
        drawing.lines([((x, bottom), (x, bottom + side)), ((left, y), (left + side, y))])
