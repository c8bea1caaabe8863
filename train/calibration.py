"""Probabilities that are far from how often the classifier is right: seen, and mended."""

import copy
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import cross_val_predict

from train.evaluate import calibration_error
from train.folds import most_folds, stratified
from train.recipes import CALIBRATION_FOLDS

POOR: Final = 0.1
_DRAWS: Final = 200
_CHANCE: Final = 0.95
_FACTORS: Final = (-3.0, 3.0)  # of the natural logarithm
_STEEPNESS: Final = (-4.0, 8.0)  # likewise, for a score of one standard deviation
_ABOVE: Final = 10.0
"""Further above the scores, float32 would have too few digits for the sigmoids."""
_LEAST: Final = 1e-12


def is_poor(truth: NDArray[np.int64], probabilities: NDArray[np.floating], seed: int = 0) -> bool:
    """Whether the calibration error is above 0.1 by more than chance.

    The error of few images is large for a perfect classifier, too: of 200 draws of outcomes from
    the confidences themselves, 95 % must have a smaller one.
    """
    found = calibration_error(truth, probabilities)
    if found <= POOR:
        return False
    confidence = probabilities.max(axis=1)
    top = probabilities.argmax(axis=1)
    rng = np.random.default_rng([seed, 4])
    draws = [
        calibration_error(np.where(rng.random(len(top)) < confidence, top, -1), probabilities)
        for _ in range(_DRAWS)
    ]
    return bool(found > np.quantile(draws, _CHANCE))


def mended(
    estimator: Any,
    features: NDArray[np.float32],
    targets: NDArray[Any],
    groups: NDArray[Any] | None,
    seed: int,
) -> Any | None:
    """A copy whose probabilities are calibrated on the training data; None if that cannot be.

    ``features``: float32 [N, F]; ``targets``: labels [N]; ``groups``: [N], kept whole. Platt's
    sigmoids are fitted to one class against the rest and then normalized, which leaves many classes
    far too unsure (60 classes by SVC: 0.51): all of them are made steeper, or flatter, by the one
    factor with the best log-loss of predictions for folds that were not fitted. Of few images, two
    parameters for each class are too many (60 classes of three: 63 % right instead of 100 %), and
    one sigmoid for all takes their place. Both are again sigmoids, so the graph stays the same.
    """
    folds = most_folds(CALIBRATION_FOLDS, targets, groups)
    if folds < 2:
        return None
    if isinstance(estimator, CalibratedClassifierCV):
        whole = copy.deepcopy(estimator)
    else:
        whole = CalibratedClassifierCV(
            clone(estimator), method="sigmoid", cv=folds, ensemble=False
        ).fit(features, targets)
    (member,) = whole.calibrated_classifiers_
    if member.method != "sigmoid":
        return None
    scores = _scores(whole.estimator, features, targets, stratified(folds, targets, groups, seed))
    if scores is None:
        return None
    truth = np.searchsorted(whole.classes_, targets)
    slope = np.array([one.a_ for one in member.calibrators], dtype=np.float64)
    shift = np.array([one.b_ for one in member.calibrators], dtype=np.float64)
    factor, each = _steeper(scores * slope + shift, truth)
    (common_slope, common_shift), common = _in_common(scores, truth)
    # Akaike's criterion, for an image: what has more parameters fits the same folds better.
    if common + 2 / len(truth) < each + 2 * len(slope) / len(truth):
        slope, shift = np.full_like(slope, common_slope), np.full_like(shift, common_shift)
    else:
        slope, shift = slope * factor, shift * factor
    for one, its_slope, its_shift in zip(member.calibrators, slope, shift, strict=True):
        one.a_, one.b_ = float(its_slope), float(its_shift)
    return whole


def _loss(exponent: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    right = _probabilities(exponent)[np.arange(len(truth)), truth]
    return float(-np.log(right + _LEAST).mean())


def _steeper(exponent: NDArray[np.float64], truth: NDArray[np.int64]) -> tuple[float, float]:
    """The factor for all exponents with the smallest log-loss, and that."""
    found = minimize_scalar(
        lambda logarithm: _loss(exponent * np.exp(logarithm), truth),
        bounds=_FACTORS,
        method="bounded",
    )
    return float(np.exp(found.x)), float(found.fun)


def _in_common(
    scores: NDArray[np.float64], truth: NDArray[np.int64]
) -> tuple[tuple[float, float], float]:
    """Slope and shift of one sigmoid for all classes, with the smallest log-loss, and that.

    It leaves the order of the classes as it is, and far above the scores it is a softmax.
    """
    spread, top = float(scores.std()) or 1.0, float(scores.max())

    def of(values: NDArray[np.float64]) -> tuple[float, float]:
        steepness = float(np.exp(np.clip(values[0], *_STEEPNESS))) / spread
        middle = min(float(values[1]) * spread + top, top + _ABOVE / steepness)
        return -steepness, steepness * middle

    def loss(values: NDArray[np.float64]) -> float:
        slope, shift = of(values)
        return _loss(scores * slope + shift, truth)

    starts = (np.array([0.0, -1.0]), np.array([1.0, 1.0]), np.array([3.0, 0.0]))
    found = min((minimize(loss, start, method="Nelder-Mead") for start in starts), key=_value)
    return of(found.x), float(found.fun)


def _value(found: Any) -> float:
    return float(found.fun)


def _scores(
    base: Any, features: NDArray[np.float32], targets: NDArray[Any], folds: Any
) -> NDArray[np.float64] | None:
    """[N, K] by estimators that were fitted to other folds; None if a fold lacks a class."""
    every = len(np.unique(targets))
    if any(len(np.unique(targets[rest])) < every for rest, _ in folds):
        return None
    method = "decision_function" if hasattr(base, "decision_function") else "predict_proba"
    found = cross_val_predict(base, features, targets, cv=folds, method=method)
    scores = np.asarray(found, dtype=np.float64)
    if scores.ndim == 1:
        return scores[:, None]
    # Of two probabilities, only the second is calibrated.
    return scores[:, 1:] if scores.shape[1] == 2 else scores


def _probabilities(exponent: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N, C]: sigmoids that add up to 1, as CalibratedClassifierCV has them."""
    values = 1 / (1 + np.exp(np.clip(exponent, -500, 500)))
    if values.shape[1] == 1:
        return np.hstack([1 - values, values])
    total = values.sum(axis=1, keepdims=True)
    return np.where(total > 0, values / np.where(total > 0, total, 1), 1 / values.shape[1])
