"""The half models: two copies of a classifier, each trained on one half of the training data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import RecipeError, first_line
from train.data_size import DataSize
from train.recipes import Recipe


@dataclass(frozen=True, eq=False)
class FittedHalves:
    """Two fitted estimators, or None and the reason."""

    estimators: tuple[Any, Any] | None
    reason: str | None = None


def fit_halves(
    chosen: Recipe,
    parameters: Mapping[str, Any],
    features: NDArray[np.float32],
    targets: NDArray[Any],
    seed: int,
) -> FittedHalves:
    """Fit the recipe, with the ``parameters`` that a search found, to each half of the data.

    ``features``: float32 [N, F]; ``targets``: labels [N]. If one cannot be fitted, the result says
    why; the training does not fail.
    """
    names, counts = np.unique(targets, return_counts=True)
    if counts.min() < 2:
        rarest = names[counts.argmin()]
        return FittedHalves(
            None, f"Class {str(rarest)!r} has a single image to train on, but each half needs one."
        )
    fitted = []
    for rows in halve(targets, seed):
        try:
            estimator = chosen.build(seed, DataSize.of(targets[rows]))
            estimator.set_params(**parameters).fit(features[rows], targets[rows])
        except (RecipeError, ValueError) as error:
            return FittedHalves(
                None,
                f"Recipe {chosen.name} cannot be fitted to half of the data: {first_line(error)}.",
            )
        fitted.append(estimator)
    return FittedHalves((fitted[0], fitted[1]))


def halve(targets: NDArray[Any], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of two random halves, in ascending order.

    The halves have equally many images of each class; if its number is odd, they take turns at
    having one more.
    """
    rng = np.random.default_rng([seed, 2])
    indices = np.unique(targets, return_inverse=True)[1]
    shuffled = rng.permutation(len(targets))
    by_class = shuffled[np.argsort(indices[shuffled], kind="stable")]
    return np.sort(by_class[::2]), np.sort(by_class[1::2])
