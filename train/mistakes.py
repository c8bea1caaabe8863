"""The mistakes of an evaluation, and a contact sheet of the worst."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cli import counted
from images.spec import ImageSpec
from models.manifest import Label
from models.pixels import Pixels
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
    pixels: Pixels,
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
    tiles = [
        (
            pixels[one.row],
            (str(labels[one.truth]), str(labels[one.predicted]), f"{one.confidence:.1%}"),
        )
        for one in worst
    ]
    images = counted(len(truth), "image")
    title, subtitle = f"No mistakes on {images}", "nothing to show"
    if total:
        shown = f", {len(worst)} shown" if total > len(worst) else ""
        title, subtitle = f"{counted(total, 'mistake')} on {images}", f"most confident first{shown}"
    longest = max(len(shortened(label, _MAX_CAPTION)) for label in labels)
    return sheet(tiles, ("true: ", "predicted: ", "confidence: "), spec, title, subtitle, longest)


def sheet(
    tiles: Sequence[tuple[NDArray[np.uint8], tuple[str, str, str]]],
    captions: tuple[str, str, str],
    spec: ImageSpec,
    title: str,
    subtitle: str,
    longest: int = _MAX_CAPTION,
) -> bytes:
    """A contact sheet of at most 24 images, uint8 [F], each above three lines that begin with
    ``captions``; ``longest``: letters of the longest label."""
    shown = tiles[:SHEET_IMAGES]
    columns = min(SHEET_COLUMNS, max(len(shown), 3))
    rows = -(-len(shown) // SHEET_COLUMNS)
    gap, caption = 0.22, 0.62
    tile = 1.8 if longest > _MAX_CAPTION // 2 else 1.35
    height = TITLE_INCHES + rows * (tile + caption) + 0.1
    with reproducible():
        drawing = Drawing(columns * (tile + gap) + gap, height)
        drawing.title(gap, title, subtitle)
        for number, (pixels, texts) in enumerate(shown):
            row, column = divmod(number, SHEET_COLUMNS)
            left = gap + column * (tile + gap)
            bottom = height - TITLE_INCHES - row * (tile + caption) - tile
            drawing.image(left, bottom, tile, tile, _in_color(pixels, spec))
            colors = (INK, "#b3261e", "#616e7c")
            for line, (name, text) in enumerate(zip(captions, texts, strict=True)):
                short = shortened(text, _MAX_CAPTION)
                at = bottom - 0.17 - 0.15 * line
                drawing.text(left, at, f"{name}{short}", color=colors[line], fontsize=8)
        return drawing.png()


def _in_color(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.uint8]:
    """uint8 [height, width, 3]."""
    image = pixels.reshape(spec.height, spec.width, spec.channels)
    return np.broadcast_to(image, (spec.height, spec.width, 3))
