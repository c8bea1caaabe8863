"""A small search among a recipe's usual parameters, which takes seconds on embeddings."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict
from threadpoolctl import threadpool_limits

from train.calibration import bare
from train.data_size import DataSize
from train.folds import are_whole, most_folds, stratified
from train.recipes import Recipe

FOLDS: Final = 5
MAX_WORK: Final = 60_000_000
"""Images times numbers of an embedding times classes: up to it, a fit takes half a second. Beyond,
the images are so many that the usual parameters are near the best."""


def tuned(
    chosen: Recipe,
    features: NDArray[np.float32],
    targets: NDArray[Any],
    groups: NDArray[Any] | None,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> Mapping[str, Any]:
    """The parameters of ``chosen.grid`` with the best accuracy in a cross-validation, the mean of
    those of the classes and of the images; of equal ones the first. The very first are the usual
    ones, and others must be better by more than a standard error: of some dozen photos, the best of
    six is mostly chance. None are changed where the recipe has no grid, the data no folds, or too
    much to fit.

    ``features``: float32 [N, D]; ``targets``: labels [N]; ``groups``: [N], each within one fold.
    """
    folds = most_folds(FOLDS, targets, groups)
    work = len(features) * features.shape[1] * len(np.unique(targets))
    if not chosen.grid or folds < 2 or work > MAX_WORK:
        return {}
    splits = stratified(folds, targets, groups, seed)
    if not are_whole(splits, targets):
        return {}
    size = DataSize.of(targets).in_fold(len(splits))
    if chosen.turns:
        features = turned(bare(chosen.build(seed, size))[:-1].fit_transform(features))
    values = chosen.possible(chosen.grid, size)
    grid = [dict(zip(values, point, strict=True)) for point in product(*values.values())]
    usual: NDArray[np.bool_] | None = None
    first = most = 0.0
    best = grid[0]
    for number, parameters in enumerate(grid):
        on_progress(number, len(grid))
        # Which class has the highest score is what counts here, and no probability.
        estimator = bare(chosen.build(seed, size).set_params(**parameters))
        if chosen.turns:
            estimator = estimator[-1]
        with threadpool_limits(1, user_api="blas"):
            found = cross_val_predict(estimator, features, targets, cv=splits)
        right = found == targets
        # Rounded, since another processor adds up in another order.
        score = round(float(balanced_accuracy_score(targets, found) + right.mean()) / 2, 9)
        if usual is None:
            usual, first, most = right, score, score
        elif score > max(most, first + _error(right, usual)):
            most, best = score, parameters
    on_progress(len(grid), len(grid))
    return best


def _error(right: NDArray[np.bool_], usual: NDArray[np.bool_]) -> float:
    """A standard error of the difference of two accuracies: only the images on which they differ
    tell them apart."""
    return float(np.sqrt((right != usual).sum()) / len(right))


def turned(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same N images in N numbers each where they have more, float32 [N, min(N, D)]: turned into
    the space that they span, which leaves all lengths and angles as they are.

    A search among 250 photos then takes a fifth of the time.
    """
    images, dimension = features.shape
    if images >= dimension:
        return features
    exact = features.astype(np.float64)
    with threadpool_limits(1, user_api="blas"):
        squares, directions = np.linalg.eigh(exact @ exact.T)
    found: NDArray[np.float32] = (directions * np.sqrt(np.maximum(squares, 0))).astype(np.float32)
    return found
