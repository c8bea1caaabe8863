"""Probabilities that are as often right as they say: of every version, and without another label.

A classifier's scores are turned into probabilities by one or two numbers for all classes together,
so that the class with the highest score keeps the highest probability: calibration changes how
sure a version is, and never what it answers. The numbers are those with the smallest log-loss of
predictions for images that were not fitted, in a cross-validation of the training data.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_predict

from models.manifest import Calibration
from train.evaluate import calibration_error
from train.folds import are_whole, most_folds, stratified

Floats = NDArray[np.float64]
Method = Literal["temperature", "sigmoid"]

POOR: Final = 0.1
_DRAWS: Final = 200
_CHANCE: Final = 0.95
_FACTORS: Final = (-5.0, 8.0)  # of the natural logarithm
_STEEPNESS: Final = (-4.0, 8.0)  # likewise, for a score of one standard deviation
_ABOVE: Final = 10.0
"""Further above the scores, float32 would have too few digits for the sigmoids."""
_LEAST: Final = 1e-12
"""scikit-learn adds this to a probability before it takes the logarithm."""

# Two numbers need no more images, and a thousand classes would take a minute.
_MOST_IMAGES: Final = 5_000
_MOST_VALUES: Final = 1_000_000


@dataclass(frozen=True, eq=False)
class Calibrated:
    """``estimator``: a fitted CalibratedClassifierCV; ``record``: how it was found."""

    estimator: Any
    record: Calibration


@dataclass(frozen=True)
class _Fitted:
    """One way, fitted: ``numbers`` are the inverse temperature, or slope and shift of a sigmoid."""

    method: Method
    numbers: tuple[float, ...]
    loss: float


def calibrate(
    base: Any,
    features: NDArray[np.float32],
    targets: NDArray[Any],
    groups: NDArray[Any] | None,
    seed: int,
    folds: int,
) -> Calibrated | None:
    """The classifier with calibrated probabilities; None if the data have no folds for it.

    ``base``: fitted to ``features``, float32 [N, F], and ``targets``, labels [N]; ``groups``: [N],
    kept whole; ``folds``: of the cross-validation, fewer where a class or the groups do not allow
    as many. Two ways are tried, and the one with the smaller log-loss is taken (by Akaike's
    criterion, for one has a number more):

    - a temperature: Guo et al., On Calibration of Modern Neural Networks (2017), section 4.2,
      https://arxiv.org/abs/1706.04599;
    - one sigmoid for all classes, normalized: Platt, Probabilistic Outputs for Support Vector
      Machines (1999), but with the same slope and shift for each class. One of its own for each
      (scikit-learn's way) changes labels, and leaves 60 classes by SVC off by 0.51.

    Platt's smoothed targets, of section 2.2, keep both finite where the folds have no mistake:
    of n images, one in n + 2 counts as if it were wrong.
    """
    found = most_folds(folds, targets, groups)
    if found < 2:
        return None
    classes = np.asarray(base.classes_)
    scores = _scores(base, features, targets, stratified(found, targets, groups, seed))
    if scores is None:
        return None
    truth = np.searchsorted(classes, targets)
    fits = [_temperature(scores, truth)]
    # Of two classes, a sigmoid would move the line between them.
    if len(classes) > 2:
        sigmoid = _sigmoid(scores, truth)
        if _keeps_labels(scores, sigmoid):
            fits.append(sigmoid)
    least = min(fits, key=lambda fit: fit.loss + len(fit.numbers) / len(truth))
    as_is = _mean_loss(_logits(scores), truth) if _are_probabilities(scores) else None
    record = Calibration(
        method=least.method,
        images=len(truth),
        folds=found,
        log_loss=least.loss,
        log_loss_before=as_is,
    )
    return Calibrated(_wrapped(base, least, found, features, targets), record)


def bare(estimator: Any) -> Any:
    """What a recipe's estimator calibrates; itself if it does not."""
    if isinstance(estimator, CalibratedClassifierCV):
        return estimator.estimator
    return estimator


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


def _temperature(scores: Floats, truth: NDArray[np.int64]) -> _Fitted:
    """The factor for all logits."""
    logits, some = _some(_logits(scores), truth)
    found = minimize_scalar(
        lambda logarithm: _smoothed_loss(logits * np.exp(logarithm), some, len(truth)),
        bounds=_FACTORS,
        method="bounded",
    )
    factor = float(np.exp(found.x))
    return _Fitted("temperature", (factor,), _mean_loss(_logits(scores) * factor, truth))


def _sigmoid(scores: Floats, truth: NDArray[np.int64]) -> _Fitted:
    """Slope and shift, as scikit-learn has them: of 1 / (1 + exp(slope * score + shift)).

    It leaves the order of the classes as it is, and far above the scores it is a softmax.
    """
    few, some = _some(scores, truth)
    spread, top = float(few.std()) or 1.0, float(few.max())

    def of(values: Floats) -> tuple[float, float]:
        steepness = float(np.exp(np.clip(values[0], *_STEEPNESS))) / spread
        middle = min(float(values[1]) * spread + top, top + _ABOVE / steepness)
        return -steepness, steepness * middle

    def loss(values: Floats) -> float:
        slope, shift = of(values)
        return _smoothed_loss(_log_sigmoid(few * slope + shift), some, len(truth))

    starts = (np.array([0.0, -1.0]), np.array([1.0, 1.0]), np.array([3.0, 0.0]))
    found = min((minimize(loss, start, method="Nelder-Mead") for start in starts), key=_value)
    slope, shift = of(found.x)
    return _Fitted(
        "sigmoid", (slope, shift), _mean_loss(_log_sigmoid(scores * slope + shift), truth)
    )


def _value(found: Any) -> float:
    return float(found.fun)


def _some(values: Floats, truth: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """A sample of the rows that is large enough."""
    most = min(_MOST_IMAGES, max(_MOST_VALUES // values.shape[1], 1))
    rows = np.random.default_rng(0).permutation(len(truth))[:most]
    return values[rows], truth[rows]


def _keeps_labels(scores: Floats, sigmoid: _Fitted) -> bool:
    """Whether float32, in which a graph computes, leaves each label as it is."""
    slope, shift = sigmoid.numbers
    values = _log_sigmoid(scores * slope + shift).astype(np.float32)
    return bool((values.argmax(axis=1) == scores.argmax(axis=1)).all())


def _scores(
    base: Any, features: NDArray[np.float32], targets: NDArray[Any], folds: Any
) -> Floats | None:
    """[N, C] by estimators that were fitted to other folds; None if a fold lacks a class.

    Decision scores, of two classes that of the second and its negative, or else probabilities.
    """
    if not are_whole(folds, targets):
        return None
    method = "decision_function" if hasattr(base, "decision_function") else "predict_proba"
    found = cross_val_predict(clone(base), features, targets, cv=folds, method=method)
    scores = np.asarray(found, dtype=np.float64)
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def _are_probabilities(scores: Floats) -> bool:
    """As scikit-learn's temperature finds out what it is given."""
    within = scores.min() >= 0 and scores.max() <= 1
    return bool(within and np.allclose(scores.sum(axis=1), 1, rtol=1e-5, atol=1e-8))


def _logits(scores: Floats) -> Floats:
    return np.log(scores + _LEAST) if _are_probabilities(scores) else scores


def _log_sigmoid(exponent: Floats) -> Floats:
    """The logarithm of 1 / (1 + exp(exponent)), of which a softmax makes the normalized ones."""
    return cast("Floats", -np.logaddexp(0, np.clip(exponent, -500, 500)))


def _log_softmax(logits: Floats) -> Floats:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return cast("Floats", shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _mean_loss(logits: Floats, truth: NDArray[np.int64]) -> float:
    """In nats for an image."""
    return float(-_log_softmax(logits)[np.arange(len(truth)), truth].mean())


def _smoothed_loss(logits: Floats, truth: NDArray[np.int64], images: int) -> float:
    """The log-loss if one in ``images`` + 2 has one of the other labels."""
    logarithms = _log_softmax(logits)
    right = logarithms[np.arange(len(truth)), truth]
    others = (logarithms.sum(axis=1) - right) / (logits.shape[1] - 1)
    wrong = 1 / (images + 2)
    return float(-((1 - wrong) * right + wrong * others).mean())


def _wrapped(
    base: Any,
    fit: _Fitted,
    folds: int,
    features: NDArray[np.float32],
    targets: NDArray[Any],
) -> CalibratedClassifierCV:
    """scikit-learn's own type, so that everything that reads one reads this: fitted to two images
    of each class, which costs nothing, and then given the numbers."""
    order = np.argsort(targets, kind="stable")
    starts = np.searchsorted(targets[order], np.unique(targets))
    few = order[np.concatenate([starts, starts + 1])]
    whole = CalibratedClassifierCV(
        FrozenEstimator(base), method=fit.method, cv=2, ensemble=False
    ).fit(features[few], targets[few])
    whole.estimator, whole.cv = clone(base), folds
    (member,) = whole.calibrated_classifiers_
    member.estimator = base
    if fit.method == "temperature":
        member.calibrators[0].beta_ = fit.numbers[0]
    else:
        for one in member.calibrators:
            one.a_, one.b_ = fit.numbers
    return whole
