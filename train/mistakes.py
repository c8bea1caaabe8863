"""The mistakes of an evaluation, and a contact sheet of the worst."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.manifest import Label
from train.drawing import INK, TITLE_INCHES, Drawing, reproducible, shortened

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
    with reproducible():
        drawing = Drawing(columns * (tile + gap) + gap, height)
        if total:
            shown = f", {len(worst)} shown" if total > len(worst) else ""
            count = f"{total:,} {'mistake' if total == 1 else 'mistakes'}"
            drawing.title(gap, f"{count} on {len(truth):,} images", f"most confident first{shown}")
        else:
            drawing.title(gap, f"No mistakes on {len(truth):,} images", "nothing to show")
        for number, mistake in enumerate(worst):
            row, column = divmod(number, SHEET_COLUMNS)
            left = gap + column * (tile + gap)
            bottom = height - TITLE_INCHES - row * (tile + caption) - tile
            drawing.image(left, bottom, tile, tile, _in_color(pixels[mistake.row], spec))
            captions = (
                (f"true: {names[mistake.truth]}", INK),
                (f"predicted: {names[mistake.predicted]}", "#b3261e"),
                (f"confidence: {mistake.confidence:.1%}", "#616e7c"),
            )
            for line, (text, color) in enumerate(captions):
                drawing.text(left, bottom - 0.17 - 0.15 * line, text, color=color, fontsize=8)
        return drawing.png()


def _in_color(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """uint8 [height, width, 3]."""
    image = pixels.reshape(spec.height, spec.width, spec.channels)
    return np.broadcast_to(image, (spec.height, spec.width, 3))
