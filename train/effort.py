"""About how long a recipe takes and how much memory, by the size of the data.

From the work that each recipe does, with constants measured by ``bench/training.py`` on the machine
that ``bench/training.md`` names: another is maybe half or twice as fast. They hold for the whole
training: with the calibration's folds, both half models, and the checks before it is saved.
"""

from dataclasses import dataclass
from math import log2
from typing import Final

GIB: Final = 2**30
_BASE_BYTES: Final = 0.3 * GIB
"""Of Python with the libraries."""

# Seconds on one processor, for one image, feature and so on.
_KERNEL: Final = 4e-9
_CHECK: Final = 1.5e-9
_DESCENT: Final = 1e-10
_SPLIT: Final = 3e-6
_HISTOGRAM: Final = 1.8e-7
_NETWORK: Final = 3e-10
_PROJECTION: Final = 8e-10
_DISTANCE: Final = 3e-9
_LINEAR: Final = 3e-6
_FEATURE: Final = 3e-8
_TUNED: Final = 6e7
"""See ``train.tuning``."""
_PICTURES: Final = 0.002

MIN_CHECKED: Final = 16
MAX_CHECKED: Final = 600
_CHECK_SECONDS: Final = 20.0
_PER_CHECKED: Final = 14
"""Predictions for each image of the check: of seven variants, labels and probabilities."""
_SPEED_IMAGES: Final = 1200
"""Predictions that measure how much faster the graph is."""

_FITS: Final = 2
"""Times as many as the classifier and its halves: three calibrate it, on two thirds each."""
_FORESTS: Final = 4
"""That are fitted: one, two halves of one, and three of two thirds for the calibration."""


@dataclass(frozen=True)
class Size:
    """Of the data: images to train on, features of one, classes."""

    images: int
    features: int
    classes: int


@dataclass(frozen=True)
class Effort:
    """``fit`` and ``save``: seconds; ``memory``: bytes, of the process at its peak."""

    recipe: str
    fit: float
    save: float
    memory: float

    @property
    def seconds(self) -> float:
        return self.fit + self.save


def checked_images(recipe: str, size: Size) -> int:
    """How many held-out images the check before saving may have: 20 s of predictions, but 16 images
    at least. By the formulas, not the clock, so that the same data give the same version."""
    one = {"svc": _svc_image, "knn": _knn_image}.get(recipe.removesuffix("-features"))
    if one is None:
        return MAX_CHECKED
    return int(min(max(_CHECK_SECONDS / (_PER_CHECKED * one(size)), MIN_CHECKED), MAX_CHECKED))


def effort(recipe: str, size: Size) -> Effort:
    """The effort of a recipe by its name."""
    fit, save, memory = _WORK[recipe](size)
    pictures = _PICTURES * size.classes * min(size.classes, 100) / 10
    components = 2e-7 * min(size.images, 5000) * size.features / 10
    return Effort(recipe, 1 + fit + pictures + components, 1 + save, _BASE_BYTES + memory)


def _svc(size: Size) -> tuple[float, float, float]:
    pairs = size.images**2 * size.features
    usual = min(max(1e6 / size.features, 40), MAX_CHECKED)
    checked = min(usual, checked_images("svc", size)) * _PER_CHECKED + _SPEED_IMAGES
    memory = 0.15 * GIB + size.images * size.features * (5 + 5 * 8)
    fit = _KERNEL * pairs * (1 + size.classes / 50)
    return fit, _svc_image(size) * checked, memory + size.classes * size.images * 24


def _svc_image(size: Size) -> float:
    """Seconds for one image through the kernels of all support vectors."""
    return _CHECK * size.images * size.features


def _knn_image(size: Size) -> float:
    return _DISTANCE * size.images * min(size.features, 200)


def _logistic(size: Size) -> tuple[float, float, float]:
    # The more the features, the sooner classes are apart: fewer rounds.
    rounds = 60 if size.features > size.images else 300
    work = size.images * size.features * max(size.classes, 2) * rounds * 2
    return _FITS * _DESCENT * work, 1.0, size.images * size.features * 22


def _forest(size: Size) -> tuple[float, float, float]:
    work = size.images * size.features**0.5 * log2(size.images + 2) * (1 + size.classes / 30)
    fit = _SPLIT * _FORESTS * work
    leaves = 100 * size.images * 0.35
    weights = leaves * size.classes
    return fit, 2 + 6e-6 * weights + 4e-5 * leaves, size.images * size.features * 9 + weights * 160


def _boosting(size: Size) -> tuple[float, float, float]:
    fit = (
        _FITS * _HISTOGRAM * 100 * 2 * size.classes * (size.images * size.features * 0.95 / 8 + 3e4)
    )
    return fit, 2 + 0.05 * size.classes, size.images * size.features * 12


def _mlp(size: Size) -> tuple[float, float, float]:
    fit = _FITS * _NETWORK * 100 * size.features * size.images * 2 * 150
    return fit, 1.5, size.images * size.features * 22


def _knn(size: Size) -> tuple[float, float, float]:
    smaller = min(size.images, size.features)
    fit = _FITS * _PROJECTION * size.images * size.features * smaller
    checked = checked_images("knn", size) * _PER_CHECKED + _SPEED_IMAGES
    return fit, 2 + _knn_image(size) * checked, size.images * size.features * 22 + smaller**2 * 8


def _linear_svc(size: Size) -> tuple[float, float, float]:
    fit = _LINEAR * size.images * size.features * size.classes
    return fit, 1.0, size.images * size.features * 28


def _logistic_features(size: Size) -> tuple[float, float, float]:
    # Of a whole, two halves and three folds, that is four, and of a search where it is small.
    work = size.images * size.features * max(size.classes, 2)
    fits = 4 if work > _TUNED else 30
    return _FEATURE * work * fits, 1.0, size.images * size.features * 22


def _lda_features(size: Size) -> tuple[float, float, float]:
    squares = size.features**2 * (size.classes * 6e-9 + size.features * 2e-10)
    return squares * 4, 1.0, size.images * size.features * 22 + size.features**2 * 24


_WORK: Final = {
    "svc": _svc,
    "forest": _forest,
    "boosting": _boosting,
    "logistic": _logistic,
    "mlp": _mlp,
    "knn": _knn,
    "linear-svc": _linear_svc,
    "logistic-features": _logistic_features,
    "svc-features": _svc,
    "knn-features": _knn,
    "lda-features": _lda_features,
}
