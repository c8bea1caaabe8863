"""26 ways in which production can differ from the training data.

Each is a pure function: of uint8 pixels [N, n_features] of any image spec, or of the frequencies of
the classes. Lengths are fractions of the image's sides, so that a shift means the same for 8x8
digits (where an eighth is one pixel) and for photographs; strengths are fractions of the range from
black to white, so that a sixteenth is one ink value of the digits.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from images.spec import ImageSpec

Pixels = NDArray[np.uint8]
Change = Callable[[Pixels, ImageSpec, np.random.Generator], Pixels]
Prior = Callable[[int, np.random.Generator], NDArray[np.float64]]
"""By which factor each of C classes is more frequent, in one window."""

_PART = 0.1


@dataclass(frozen=True)
class Shift:
    """``change`` of the images, or ``prior`` of the classes, or both."""

    name: str
    kind: Literal["images", "part", "classes"]
    change: Change | None = None
    prior: Prior | None = None

    def rows(
        self, labels: NDArray[np.int64], count: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """int64 [count]: images of a pool, drawn with replacement; ``labels``: int64 [N], indices
        of the classes."""
        if self.prior is None:
            return rng.integers(len(labels), size=count)
        weights = self.prior(int(labels.max()) + 1, rng)[labels]
        return rng.choice(len(labels), size=count, p=weights / weights.sum())

    def apply(self, pixels: Pixels, spec: ImageSpec, rng: np.random.Generator) -> Pixels:
        """The images as they look after the shift."""
        return pixels.copy() if self.change is None else self.change(pixels, spec, rng)


def _each(change: Callable[[Image.Image], Image.Image]) -> Change:
    def changed(pixels: Pixels, spec: ImageSpec, _rng: np.random.Generator) -> Pixels:
        shape = (spec.height, spec.width, 3)[: 2 if spec.channels == 1 else 3]
        images = (Image.fromarray(one.reshape(shape)) for one in pixels)
        return np.stack([np.asarray(change(image)).reshape(-1) for image in images])

    return changed


def _each_value(table: NDArray[np.float64]) -> Change:
    values = np.clip(np.rint(table), 0, 255).astype(np.uint8)

    def changed(pixels: Pixels, _spec: ImageSpec, _rng: np.random.Generator) -> Pixels:
        return np.asarray(values[pixels])

    return changed


def _rounded(values: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _noise(pixels: Pixels, _spec: ImageSpec, rng: np.random.Generator, *, sigma: float) -> Pixels:
    noise = rng.standard_normal(pixels.shape, np.float32) * np.float32(sigma * 255)
    return _rounded(pixels + noise)


def _salt(pixels: Pixels, spec: ImageSpec, rng: np.random.Generator) -> Pixels:
    chance = rng.random((len(pixels), spec.height * spec.width))
    grid = pixels.reshape(len(pixels), -1, spec.channels)
    grid = np.where((chance < 0.025)[..., None], 0, grid)
    return np.where((chance > 0.975)[..., None], 255, grid).reshape(pixels.shape).astype(np.uint8)


def _grid(pixels: Pixels, spec: ImageSpec) -> Pixels:
    return pixels.reshape(len(pixels), spec.height, spec.width, spec.channels)


def _eighth(side: int) -> int:
    return max(1, round(side / 8))


def _moved(pixels: Pixels, spec: ImageSpec, _rng: np.random.Generator, *, axis: int) -> Pixels:
    """By an eighth to the right (axis 2) or down (axis 1); the edge is repeated."""
    grid = _grid(pixels, spec)
    step = _eighth(grid.shape[axis])
    indices = np.maximum(np.arange(grid.shape[axis]) - step, 0)
    return np.take(grid, indices, axis=axis).reshape(pixels.shape)


def _occluded(pixels: Pixels, spec: ImageSpec, rng: np.random.Generator) -> Pixels:
    """A black rectangle of a quarter of both sides, anywhere."""
    grid = _grid(pixels, spec).copy()
    high, wide = 2 * _eighth(spec.height), 2 * _eighth(spec.width)
    tops = rng.integers(max(1, spec.height - high + 1), size=len(grid))
    lefts = rng.integers(max(1, spec.width - wide + 1), size=len(grid))
    for image, top, left in zip(grid, tops.tolist(), lefts.tolist(), strict=True):
        image[top : top + high, left : left + wide] = 0
    return grid.reshape(pixels.shape)


def _dead_row(pixels: Pixels, spec: ImageSpec, _rng: np.random.Generator) -> Pixels:
    """The eighth below the middle is white."""
    grid = _grid(pixels, spec).copy()
    middle = spec.height // 2
    grid[:, middle : middle + _eighth(spec.height)] = 255
    return grid.reshape(pixels.shape)


def _blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(min(image.size) / 10))


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def _coarse(image: Image.Image) -> Image.Image:
    """Half of the resolution, and back."""
    small = image.resize(
        (max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BOX
    )
    return small.resize(image.size, Image.Resampling.BILINEAR)


def _rotated(image: Image.Image, angle: float) -> Image.Image:
    return image.rotate(angle, Image.Resampling.BILINEAR)


def _zoomed(image: Image.Image) -> Image.Image:
    """A quarter larger, cropped to the middle."""
    wide, high = image.width / 10, image.height / 10
    box = (wide, high, image.width - wide, image.height - high)
    return image.resize(image.size, Image.Resampling.BILINEAR, box)


def _part(change: Change) -> Change:
    """The change in a tenth of the images, chosen at random."""

    def changed(pixels: Pixels, spec: ImageSpec, rng: np.random.Generator) -> Pixels:
        chosen = rng.random(len(pixels)) < _PART
        result = pixels.copy()
        if chosen.any():
            result[chosen] = change(pixels[chosen], spec, rng)
        return result

    return changed


def one_class(classes: int, rng: np.random.Generator, *, factor: float) -> NDArray[np.float64]:
    """A random class is ``factor`` times as frequent."""
    weights = np.ones(classes)
    weights[rng.integers(classes)] = factor
    return weights


def _half(classes: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random half of the classes is twice as frequent."""
    weights = np.ones(classes)
    weights[rng.permutation(classes)[: classes // 2]] = 2.0
    return weights


_VALUES = np.arange(256, dtype=np.float64)
_INVERTED = _each_value(255 - _VALUES)

SHIFTS: tuple[Shift, ...] = (
    Shift("noise, sigma 1/16", "images", partial(_noise, sigma=1 / 16)),
    Shift("noise, sigma 1.5/16", "images", partial(_noise, sigma=1.5 / 16)),
    Shift("noise, sigma 4/16", "images", partial(_noise, sigma=4 / 16)),
    Shift("salt and pepper, 5%", "images", _salt),
    Shift("blur", "images", _each(_blurred)),
    Shift("half the resolution", "images", _each(_coarse)),
    Shift("brightness +1/16", "images", _each_value(_VALUES + 255 / 16)),
    Shift("brightness +3/16", "images", _each_value(_VALUES + 3 * 255 / 16)),
    Shift("darker, gamma 1.5", "images", _each_value(255 * (_VALUES / 255) ** 1.5)),
    Shift("contrast x 0.7", "images", _each_value(127.5 + 0.7 * (_VALUES - 127.5))),
    Shift("inverted", "images", _INVERTED),
    Shift("moved right by 1/8", "images", partial(_moved, axis=2)),
    Shift("moved down by 1/8", "images", partial(_moved, axis=1)),
    Shift("rotated by 10 degrees", "images", _each(partial(_rotated, angle=10))),
    Shift("rotated by 30 degrees", "images", _each(partial(_rotated, angle=30))),
    Shift("mirrored", "images", _each(ImageOps.mirror)),
    Shift("zoomed in", "images", _each(_zoomed)),
    Shift("occluded, 1/4 x 1/4", "images", _occluded),
    Shift("dead row", "images", _dead_row),
    Shift("JPEG, quality 10", "images", _each(partial(_jpeg, quality=10))),
    Shift("10% noisy, sigma 4/16", "part", _part(partial(_noise, sigma=4 / 16))),
    Shift("10% inverted", "part", _part(_INVERTED)),
    Shift("10% rotated by 30 degrees", "part", _part(_each(partial(_rotated, angle=30)))),
    Shift("one class missing", "classes", prior=partial(one_class, factor=0.0)),
    Shift("half of the classes doubled", "classes", prior=_half),
    Shift("one class doubled", "classes", prior=partial(one_class, factor=2.0)),
)
BY_NAME: Mapping[str, Shift] = MappingProxyType({shift.name: shift for shift in SHIFTS})
