"""Statistics of an image that a person can name: brightness, sharpness, position.

Each describes one image alone, so that a window's images can be ranked by it and shown.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec

_CHUNK = 256  # images at a time: in color and at 512x512, these already need 800 MB
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Of red, green and blue: ITU-R BT.601, as Pillow's conversion to L."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """``name``: a noun; ``more`` and ``less``: adjectives for images with a higher or lower one."""

    name: str
    more: str
    less: str


GRAY = (
    Statistic("brightness", "brighter", "darker"),
    Statistic("contrast", "higher in contrast", "lower in contrast"),
    Statistic("sharpness", "sharper or noisier", "blurrier"),
    Statistic("horizontal variation", "busier horizontally", "smoother horizontally"),
    Statistic("vertical variation", "busier vertically", "smoother vertically"),
    Statistic("horizontal center", "further to the right", "further to the left"),
    Statistic("vertical center", "lower in the frame", "higher in the frame"),
    Statistic("extent", "more spread out", "more compact"),
    Statistic("slant", "slanted more to the left", "slanted more to the right"),
    Statistic("border brightness", "brighter at the border", "darker at the border"),
)
COLOR = (
    *GRAY,
    Statistic("colorfulness", "more colorful", "less colorful"),
    Statistic("warmth", "redder", "bluer"),
)


def of(spec: ImageSpec) -> tuple[Statistic, ...]:
    """The columns of ``compute``: ten, and two more for images in color."""
    return GRAY if spec.channels == 1 else COLOR


def compute(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.float32]:
    """float32 [N, S], the statistics of N images (uint8 [N, n_features]), columns as in ``of``.

    Values are in 8-bit steps, except for the two centers and the extent (in proportion to the
    sides) and the slant (from -1 to 1). Sharpness is the variance of the Laplacian (Pech-Pacheco et
    al., Diatom autofocusing in brightfield microscopy, ICPR 2000); centers, extent and slant are
    the moments of the brightness up to the second order (Hu, Visual pattern recognition by moment
    invariants, 1962), the slant as the correlation of the two coordinates. A statistic that an
    image is too small for, such as the Laplacian of a single row, is 0.
    """
    values = np.empty((len(pixels), len(of(spec))), np.float32)
    for start in range(0, len(pixels), _CHUNK):
        chunk = pixels[start : start + _CHUNK]
        values[start : start + _CHUNK] = _compute(chunk, spec)
    return values


def _compute(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.float32]:
    shape = (len(pixels), spec.height, spec.width)
    if spec.channels == 1:
        light = pixels.reshape(shape).astype(np.float32)
        colors = []
    else:
        red, green, blue = np.moveaxis(pixels.reshape((*shape, 3)), 3, 0)
        light = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
        maximum = np.maximum(np.maximum(red, green), blue)
        minimum = np.minimum(np.minimum(red, green), blue)
        balance = red.astype(np.float32) - blue
        colors = [_mean((maximum - minimum).astype(np.float32)), _mean(balance)]
    inner = light[:, 1:-1, 1:-1]
    around = light[:, :-2, 1:-1] + light[:, 2:, 1:-1] + light[:, 1:-1, :-2] + light[:, 1:-1, 2:]
    across, down, extent, slant = _moments(light)
    columns = [
        _mean(light),
        light.std(axis=(1, 2)),
        (around - 4 * inner).var(axis=(1, 2)) if inner.size else np.zeros(len(pixels)),
        _mean(np.abs(np.diff(light, axis=2))),
        _mean(np.abs(np.diff(light, axis=1))),
        across,
        down,
        extent,
        slant,
        _border(light),
        *colors,
    ]
    return np.stack(columns, axis=1)


def _mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each image; 0 without values."""
    if not values.size:
        return np.zeros(len(values), np.float32)
    return np.asarray(values.mean(axis=tuple(range(1, values.ndim))))


def _border(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the outermost pixels."""
    edges = (light[:, 0], light[:, -1], light[:, 1:-1, 0], light[:, 1:-1, -1])
    return _mean(np.concatenate(edges, axis=1))


def _moments(
    light: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Both centers, extent and slant; a black image counts as evenly gray."""
    height, width = light.shape[1:]
    x = (np.arange(width, dtype=np.float32) + 0.5) / width
    y = (np.arange(height, dtype=np.float32) + 0.5) / height
    black = light.reshape(len(light), -1).max(axis=1) == 0
    if black.any():
        light = np.where(black[:, None, None], np.float32(1), light)
    columns, rows = light.sum(axis=1), light.sum(axis=2)
    mass = rows.sum(axis=1)
    across, down = columns @ x / mass, rows @ y / mass
    away_x, away_y = x - across[:, None], y - down[:, None]
    wide = (columns * away_x**2).sum(axis=1) / mass
    high = (rows * away_y**2).sum(axis=1) / mass
    both = np.einsum("nyx,ny,nx->n", light, away_y, away_x, optimize=True) / mass
    norm = np.sqrt(wide * high)
    slant = np.divide(both, norm, out=np.zeros_like(both), where=norm > 0)
    return across, down, np.sqrt(wide + high), slant
