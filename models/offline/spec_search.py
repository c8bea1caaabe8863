"""Which image spec a classifier was trained with: the one with which it has labelled images right.

A pickle does not say how images became its features. Of a classifier of raw pixels, 94.5 % of the
digits are right with ``gray-8x8:0-255``, and 17.8 % with pixels from 0 to 1; so a few dozen images
tell most specs apart.
"""

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

import cli
from errors import ImageError, SpecError
from images.decoding import Encoded
from images.spec import MAX_SIDE, ImageSpec
from models.manifest import Label
from models.offline.adoption import found_by_search
from models.offline.classes import label_values
from models.offline.labelled import LabelledImage, made, sampled
from models.offline.spec_fits import Fit, Fits

MIN_IMAGES: Final = 50
MAX_IMAGES: Final = 400
_CHUNK: Final = 64
_OF_PIXELS: Final = {"mode", "width", "height", "resize", "fit", "shortest", "decoding"}
_LIKE: Final = 0.1
"""By how much the logarithm of a spec's aspect may differ from that of the images."""

# Of a probability, so that one image does not decide.
_LEAST: Final = 1e-6

_TINY: Final = ImageSpec.parse("gray-1x1:reduced")

# What comes first is taken where there is no difference.
_RANGES: Final = ("0-1", "0-255", "-1-1", "1-0", "255-0", "0-16:round", "0-16")
_COLORS: Final = ("rgb", "bgr")
_FILTERS: Final = ("box", "bilinear", "bicubic", "lanczos", "nearest")


class _Said(NamedTuple):
    """Of some of the images; as in a ``Fit``."""

    said: NDArray[np.int64]
    loss: NDArray[np.float64] | None


def search_spec(
    estimator: Any,
    labels: Sequence[Label] | None,
    images: Sequence[LabelledImage],
    given: ImageSpec | None = None,
) -> Fits:
    """Try all specs that give as many features as the classifier expects: ranges and orders first,
    then how an image of other proportions or size is fitted, and with this ranges and orders again,
    as similar ones are hard to tell apart where the fit is wrong.

    ``labels``: in the order of its classes, if an encoder has them. Of more than 400 images, some
    of each label. ``given``: a spec to try as well. Raises SpecError for too few images, or if no
    spec gives so many features.
    """
    if len(images) < MIN_IMAGES:
        raise SpecError(
            f"There are {len(images)} labelled images, and {MIN_IMAGES} are needed to tell which "
            "image spec fits."
        )
    trial, truth = _trial(estimator, labels, images)
    firsts = [*([given] if given else []), *_first(trial.expected, trial.aspect())]
    tried = trial.of(firsts)
    if not tried:
        raise SpecError(
            f"No image spec of the images' proportions gives the {trial.expected} features that "
            "the classifier expects: name the right one with --image-spec."
        )
    chance = Counter(truth.tolist()).most_common(1)[0][1] / len(truth)
    best = Fits.of(tried, chance).best
    tried += trial.of([*_second(best.spec, trial.sizes)])
    fitted = Fits.of(tried, chance).best.spec
    known = {fit.spec for fit in tried}
    tried += trial.of([spec for spec in _third(fitted, firsts) if spec not in known])
    return Fits.of(tried, chance)


def try_spec(
    estimator: Any, labels: Sequence[Label] | None, images: Sequence[LabelledImage], spec: ImageSpec
) -> Fit | None:
    """What the classifier says with this spec; None if it says nothing. Raises SpecError."""
    if not images:
        return None
    trial, _ = _trial(estimator, labels, images)
    return next(iter(trial.of([spec])), None) if trial.expected == spec.n_features else None


def _trial(
    estimator: Any, labels: Sequence[Label] | None, images: Sequence[LabelledImage]
) -> tuple["_Trial", NDArray[np.int64]]:
    estimator = found_by_search(estimator)
    sample, sizes = [], []
    chosen = sampled(images, MAX_IMAGES)
    for one, size in zip(chosen, made(chosen, _size), strict=True):
        if not isinstance(size, ImageError):
            sample.append(one)
            sizes.append(size)
    if not sample:
        raise SpecError("None of the labelled images can be read.")
    words = [str(label) for label in labels or label_values(estimator.classes_)]
    truth = np.array([_index(words, str(one.label)) for one in sample])
    return _Trial(estimator, sample, sizes, truth), truth


def _size(image: Encoded) -> tuple[int, int]:
    """Width and height as stored; raises ImageError if it cannot be decoded."""
    image.pixels(_TINY)
    return image.header.width, image.header.height


def _index(words: list[str], word: str) -> int:
    try:
        return words.index(word)
    except ValueError:
        raise SpecError(
            f"The images to check with have the label {word!a}, which is none of the "
            f"classifier's: {', '.join(words[:10])}."
        ) from None


class _Trial:
    """Images are read and decoded once for all specs of a round, some at a time."""

    def __init__(
        self,
        estimator: Any,
        images: Sequence[LabelledImage],
        sizes: Sequence[tuple[int, int]],
        truth: NDArray[np.int64],
    ) -> None:
        self.sizes = sizes
        self.expected = int(estimator.n_features_in_)
        self._images = images
        self._estimator = estimator
        self._classes = np.asarray(estimator.classes_)
        self._truth = truth

    def aspect(self) -> float:
        """The logarithm of width over height, the median of the images as stored."""
        return float(np.median([math.log(width / height) for width, height in self.sizes]))

    def of(self, specs: Sequence[ImageSpec]) -> list[Fit]:
        """Without those with which the classifier says nothing."""
        specs = list(dict.fromkeys(specs))
        # Pixels are the same for specs that differ only in what is made of them.
        plains = [ImageSpec(**spec.model_dump(include=_OF_PIXELS)) for spec in specs]
        distinct = list(dict.fromkeys(plains))
        said: dict[ImageSpec, list[_Said]] = {spec: [] for spec in specs}
        tell = cli.progress(
            f"Trying {len(said)} image specs: {{:,}} of {len(self._images)} images ..."
        )
        done = 0
        for start in range(0, len(self._images), _CHUNK):
            part = slice(start, start + _CHUNK)
            rows: list[list[NDArray[np.uint8]]] = []
            for row in made(self._images[part], lambda image: image.each(distinct)):
                if isinstance(row, ImageError):
                    raise row
                rows.append(row)
                done += 1
                tell(done)
            pixels = {
                spec: np.stack([row[place] for row in rows]) for place, spec in enumerate(distinct)
            }
            for spec, plain in zip(specs, plains, strict=True):
                if spec in said and (one := self._said(spec.features(pixels[plain]), part)):
                    said[spec].append(one)
                else:
                    said.pop(spec, None)
        return [self._fit(spec, parts) for spec, parts in said.items()]

    def _fit(self, spec: ImageSpec, parts: Sequence["_Said"]) -> Fit:
        said = np.concatenate([one.said for one in parts])
        losses = [one.loss for one in parts if one.loss is not None]
        return Fit(spec, said, said == self._truth, np.concatenate(losses) if losses else None)

    def _said(self, features: NDArray[np.float32], part: slice) -> "_Said | None":
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                predicted = np.asarray(self._estimator.predict(features)).reshape(-1)
                loss = self._loss(features, self._truth[part])
            said = np.array([int(np.flatnonzero(self._classes == one)[0]) for one in predicted])
        except Exception:  # noqa: BLE001 - it is not the spec
            return None
        return _Said(said, loss)

    def _loss(
        self, features: NDArray[np.float32], truth: NDArray[np.int64]
    ) -> NDArray[np.float64] | None:
        if not hasattr(self._estimator, "predict_proba"):
            return None
        probabilities = np.asarray(self._estimator.predict_proba(features), np.float64)
        true = probabilities[np.arange(len(features)), truth]
        return np.asarray(-np.log(np.maximum(true, _LEAST)))


def _first(n_features: int, aspect: float) -> Iterator[ImageSpec]:
    for width, height in _sides(n_features, aspect):
        # The transpose of one row is itself.
        for order in ("hwc", "whc") if min(width, height) > 1 else ("hwc",):
            for range_ in _RANGES:
                yield ImageSpec.parse(f"gray-{width}x{height}:{range_}:{order}")
    if n_features % 3:
        return
    for width, height in _sides(n_features // 3, aspect):
        for color in _COLORS:
            for order in ("hwc", "chw", "whc", "cwh"):
                for range_ in (*_RANGES, "imagenet"):
                    yield ImageSpec.parse(f"{color}-{width}x{height}:{range_}:{order}")


def _second(best: ImageSpec, stored: Sequence[tuple[int, int]]) -> Iterator[ImageSpec]:
    sizes = set(stored)
    if sizes <= {(best.width, best.height)}:
        return
    proportions = {round(width * best.height / height, 6) for width, height in sizes}
    fits: list[dict[str, Any]] = [{}]
    if proportions != {float(best.width)}:
        # Networks are mostly trained on seven eighths.
        wider = round(max(best.width, best.height) * 8 / 7)
        fits += [{"fit": "crop"}, {"fit": "crop", "shortest": wider}, {"fit": "letterbox"}]
    for fit in fits:
        for resize in _FILTERS:
            changed = best.model_copy(update={**fit, "resize": resize})
            if changed != best:
                yield changed


def _third(fitted: ImageSpec, firsts: Sequence[ImageSpec]) -> Iterator[ImageSpec]:
    """Of the sides of one that was ``fitted``, each of the ``firsts`` fitted in the same way."""
    fit = {"fit": fitted.fit, "shortest": fitted.shortest, "resize": fitted.resize}
    for spec in firsts:
        if (spec.mode, spec.width, spec.height) == (fitted.mode, fitted.width, fitted.height):
            yield ImageSpec(**{**spec.model_dump(), **fit, "fill": fitted.fill})


def _sides(pixels: int, aspect: float) -> list[tuple[int, int]]:
    """Width and height: a square, and what is closest to the images' proportions."""
    side = math.isqrt(pixels)
    found = [(side, side)] if side * side == pixels and side <= MAX_SIDE else []
    pairs = [
        (width, pixels // width)
        for width in range(1, min(pixels, MAX_SIDE) + 1)
        if pixels % width == 0 and pixels // width <= MAX_SIDE
    ]
    near = [(abs(math.log(width / height) - aspect), (width, height)) for width, height in pairs]
    if near and min(near)[0] < _LIKE and min(near)[1] not in found:
        found.append(min(near)[1])
    return found
