"""Pictures of an evaluation, as PNG bytes that depend on nothing but their input."""

import io
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.manifest import Label, Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

SHEET_COLUMNS = 6
SHEET_IMAGES = 24

_DPI = 100
_INK = "#1f2933"
_TITLE_INCHES = 0.75
_GLYPH_INCHES = 0.62 / 72
_SMALLEST_TEXT = 5
_LONGEST_LABEL, _LONGEST_CAPTION = 24, 18

# A cell's side for so many classes, and the largest side of the whole matrix.
_CELL_INCHES = ([2, 5, 10, 30, 100], [1.1, 0.8, 0.52, 0.34, 0.24])
_LARGEST_INCHES = 26.0


@dataclass(frozen=True)
class Mistake:
    """A holdout image whose most probable class is not its own."""

    row: int
    truth: int
    predicted: int
    confidence: float


def worst_mistakes(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], limit: int = SHEET_IMAGES
) -> list[Mistake]:
    """The mistakes made with most confidence, the worst first, equal ones by row.

    ``truth``: int64 [N], places of labels; ``probabilities``: floats [N, C].
    """
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]
    return [
        Mistake(int(row), int(truth[row]), int(predicted[row]), float(confidence[row]))
        for row in order
    ]


def confusion_picture(metrics: Metrics) -> bytes:
    """The confusion matrix: shares of each true class by colour, counts in the cells.

    Right answers are blue and wrong ones red, since a few mistakes among hundreds of right answers
    would be too pale to see on one scale. Counts and labels are left out where there are too many
    classes to read them.
    """
    labels = [_short(entry.label, _LONGEST_LABEL) for entry in metrics.classes]
    cell = min(float(np.interp(len(labels), *_CELL_INCHES)), _LARGEST_INCHES / len(labels))
    label_size = float(np.clip(cell * 24, 6.5, 11))
    named = cell * 72 > label_size
    widest = max(map(len, labels)) * label_size * _GLYPH_INCHES if named else 0.0
    upright = widest > cell * 0.92
    left, bottom = widest + 0.55, (widest if upright else 0.25) + 0.5
    side = cell * len(labels)
    height = bottom + side + _TITLE_INCHES
    with _drawing(max(left + side + 0.3, 4.8), height) as (figure, buffer):
        axes = _axes(figure, left, bottom, side, side)
        _draw_cells(axes, np.array(metrics.confusion), cell)
        if named:
            places = np.arange(len(labels))
            axes.set_xticks(places, labels, rotation=90 if upright else 0, parse_math=False)
            axes.set_yticks(places, labels, parse_math=False)
            axes.tick_params(length=0, labelsize=label_size, pad=4)
        _write(figure, left + side / 2, 0.16, "predicted", ha="center", fontsize=10)
        _write(figure, 0.16, bottom + side / 2, "true", va="center", rotation=90, fontsize=10)
        accuracy = metrics.accuracy
        right = sum(row[place] for place, row in enumerate(metrics.confusion))
        _title(
            figure,
            0.16,
            f"{right:,} of {metrics.images:,} images right",
            f"{accuracy.value:.1%}, 95 % interval {accuracy.low:.1%} to {accuracy.high:.1%}",
        )
    return buffer.getvalue()


def _draw_cells(axes: "Axes", counts: NDArray[np.int64], cell: float) -> None:
    diagonal = np.eye(len(counts), dtype=bool)
    # The square root makes a share of 1 % visible.
    shade = 0.85 * np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    for shown, colours in ((diagonal, "Blues"), (~diagonal, "Reds")):
        hidden = np.ma.masked_array(shade, ~shown | (counts == 0))
        axes.imshow(hidden, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    size = min(11.0, cell * 72 / max(2, len(str(counts.max()))))
    if size >= _SMALLEST_TEXT:
        for row, column in np.argwhere(counts):
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=size,
                color="white" if shade[row, column] > 0.55 else _INK,
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


def mistakes_picture(
    pixels: NDArray[np.uint8],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    labels: Sequence[Label],
    spec: ImageSpec,
) -> bytes:
    """A contact sheet of the 24 worst mistakes, as the classifier saw them.

    ``pixels``: uint8 [N, n_features]; the rest as in ``worst_mistakes``. Without a mistake the
    sheet says so.
    """
    worst = worst_mistakes(truth, probabilities)
    made = int((probabilities.argmax(axis=1) != truth).sum())
    names = [_short(label, _LONGEST_CAPTION) for label in labels]
    columns = min(SHEET_COLUMNS, max(len(worst), 3))
    rows = -(-len(worst) // SHEET_COLUMNS)
    gap, caption = 0.22, 0.62
    tile = 1.8 if max(map(len, names)) > _LONGEST_CAPTION * 2 // 3 else 1.35
    height = _TITLE_INCHES + rows * (tile + caption) + 0.1
    with _drawing(columns * (tile + gap) + gap, height) as (figure, buffer):
        if made:
            shown = f", {len(worst)} shown" if made > len(worst) else ""
            counted = f"{made:,} {'mistake' if made == 1 else 'mistakes'}"
            _title(figure, gap, f"{counted} on {len(truth):,} images", f"surest first{shown}")
        else:
            _title(figure, gap, f"No mistakes on {len(truth):,} images", "nothing to show")
        for place, mistake in enumerate(worst):
            row, column = divmod(place, SHEET_COLUMNS)
            left = gap + column * (tile + gap)
            bottom = height - _TITLE_INCHES - row * (tile + caption) - tile
            _show_image(_axes(figure, left, bottom, tile, tile), pixels[mistake.row], spec)
            for line, (text, colour) in enumerate(
                (
                    (f"true: {names[mistake.truth]}", _INK),
                    (f"said: {names[mistake.predicted]}", "#b3261e"),
                    (f"{mistake.confidence:.1%} sure", "#616e7c"),
                )
            ):
                _write(figure, left, bottom - 0.17 - 0.15 * line, text, color=colour, fontsize=8)
    return buffer.getvalue()


def _show_image(axes: "Axes", pixels: NDArray[np.uint8], spec: ImageSpec) -> None:
    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    axes.imshow(pixels.reshape(shape), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> "Axes":
    """Axes at a place in inches."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    for spine in axes.spines.values():
        spine.set_color("#9aa5b1")
    return axes


def _write(figure: Figure, left: float, bottom: float, text: str, **style: Any) -> None:
    """Text at a place in inches, its dollar signs taken as such."""
    across, up = figure.get_size_inches()
    figure.text(left / across, bottom / up, text, parse_math=False, **{"color": _INK} | style)


def _title(figure: Figure, left: float, title: str, subtitle: str) -> None:
    top = float(figure.get_size_inches()[1])
    _write(figure, left, top - 0.36, title, fontsize=12, fontweight="bold")
    _write(figure, left, top - 0.58, subtitle, fontsize=9)


@contextmanager
def _drawing(width: float, height: float) -> "Iterator[tuple[Figure, io.BytesIO]]":
    """A figure of the given inches, and the buffer that holds its PNG after the block.

    No pyplot, no user style and no version in the file: the same input, the same bytes.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        # A label in a script the bundled font lacks is drawn as boxes; it must not end training.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
        buffer = io.BytesIO()
        yield figure, buffer
        figure.savefig(buffer, format="png", metadata={"Software": None})


def _short(label: Label, longest: int) -> str:
    """The label without its middle if it is long: names often differ only at their end."""
    text = "".join(character if character.isprintable() else "?" for character in str(label))
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[-half:]}"
