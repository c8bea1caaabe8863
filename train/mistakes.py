"""The mistakes of an evaluation, and a contact sheet of the worst."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.manifest import Label
from train.drawing import INK, TITLE_INCHES, axes_at, drawing, shortened, write, write_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHEET_COLUMNS = 6
SHEET_IMAGES = 24

_MAX_CAPTION = 18


@dataclass(frozen=True)
class Mistake:
    """A holdout image that was predicted wrong; ``truth`` and ``predicted`` are label indices."""

    row: int
    truth: int
    predicted: int
    confidence: float


def worst_mistakes(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], limit: int = SHEET_IMAGES
) -> list[Mistake]:
    """The mistakes with the highest confidence, in decreasing order, equal ones by row.

    ``truth``: int64 [N], indices of labels; ``probabilities``: floats [N, C].
    """
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]
    return [
        Mistake(int(row), int(truth[row]), int(predicted[row]), float(confidence[row]))
        for row in order
    ]


def mistakes_picture(
    pixels: NDArray[np.uint8],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    labels: Sequence[Label],
    spec: ImageSpec,
) -> bytes:
    """A contact sheet of the 24 worst mistakes, with the pixels that the classifier saw.

    ``pixels``: uint8 [N, n_features]; the rest as in ``worst_mistakes``. If there is no mistake,
    the sheet says so.
    """
    worst = worst_mistakes(truth, probabilities)
    total = int((probabilities.argmax(axis=1) != truth).sum())
    names = [shortened(label, _MAX_CAPTION) for label in labels]
    columns = min(SHEET_COLUMNS, max(len(worst), 3))
    rows = -(-len(worst) // SHEET_COLUMNS)
    gap, caption = 0.22, 0.62
    tile = 1.8 if max(map(len, names)) > _MAX_CAPTION // 2 else 1.35
    height = TITLE_INCHES + rows * (tile + caption) + 0.1
    with drawing(columns * (tile + gap) + gap, height) as (figure, buffer):
        if total:
            shown = f", {len(worst)} shown" if total > len(worst) else ""
            count = f"{total:,} {'mistake' if total == 1 else 'mistakes'}"
            order = f"most confident first{shown}"
            write_title(figure, gap, f"{count} on {len(truth):,} images", order)
        else:
            write_title(figure, gap, f"No mistakes on {len(truth):,} images", "nothing to show")
        for number, mistake in enumerate(worst):
            row, column = divmod(number, SHEET_COLUMNS)
            left = gap + column * (tile + gap)
            bottom = height - TITLE_INCHES - row * (tile + caption) - tile
            _show_image(axes_at(figure, left, bottom, tile, tile), pixels[mistake.row], spec)
            for line, (text, color) in enumerate(
                (
                    (f"true: {names[mistake.truth]}", INK),
                    (f"predicted: {names[mistake.predicted]}", "#b3261e"),
                    (f"confidence: {mistake.confidence:.1%}", "#616e7c"),
                )
            ):
                write(figure, left, bottom - 0.17 - 0.15 * line, text, color=color, fontsize=8)
    return buffer.getvalue()


def _show_image(axes: "Axes", pixels: NDArray[np.uint8], spec: ImageSpec) -> None:
    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    axes.imshow(pixels.reshape(shape), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
