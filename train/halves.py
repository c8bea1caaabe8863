"""What the training data alone can tell of later data: two half copies, and main components."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from errors import RecipeError
from models.reference import COMPONENTS
from train.recipes import Amount, Recipe

COMPONENT_IMAGES = 5_000
"""The analysis sees this many training images at the most."""


@dataclass(frozen=True, eq=False)
class FittedHalves:
    """Two fitted copies of a recipe, or None and the reason why there are none."""

    estimators: tuple[Any, Any] | None
    reason: str | None = None


def fit_halves(
    chosen: Recipe,
    parameters: Mapping[str, Any],
    features: NDArray[np.float32],
    targets: NDArray[Any],
    seed: int,
) -> FittedHalves:
    """Fit the recipe, with a search's ``parameters`` if there was one, to each half of the data.

    ``features``: float32 [N, F]; ``targets``: labels [N]. A copy that cannot be fitted is no reason
    to fail the training: the answer says why.
    """
    names, counts = np.unique(targets, return_counts=True)
    if counts.min() < 2:
        alone = names[counts.argmin()]
        return FittedHalves(
            None, f"Class {str(alone)!r} has a single image to train on, and each half needs one."
        )
    fitted = []
    for rows in halve(targets, seed):
        try:
            estimator = chosen.build(seed, Amount.of(targets[rows]))
            estimator.set_params(**parameters).fit(features[rows], targets[rows])
        except (RecipeError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            return FittedHalves(
                None, f"Recipe {chosen.name} cannot be fitted to half of the data: {reason}."
            )
        fitted.append(estimator)
    return FittedHalves((fitted[0], fitted[1]))


def halve(targets: NDArray[Any], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of two random halves, in rising order.

    Of each class each half has as many images, or one more; which one takes turns.
    """
    rng = np.random.default_rng([seed, 2])
    places = np.unique(targets, return_inverse=True)[1]
    shuffled = rng.permutation(len(targets))
    by_class = shuffled[np.argsort(places[shuffled], kind="stable")]
    return np.sort(by_class[::2]), np.sort(by_class[1::2])


def components(
    features: NDArray[np.float32], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean float32 [F] and up to 20 components float32 [K, F] of ``features``, float32 [N, F].

    Scikit-learn's PCA, of up to 5,000 of the images.
    """
    rows = np.sort(np.random.default_rng([seed, 3]).permutation(len(features))[:COMPONENT_IMAGES])
    count = min(COMPONENTS, len(rows), features.shape[1])
    analysis = PCA(count, random_state=seed).fit(features[rows])
    return analysis.mean_.astype(np.float32), analysis.components_.astype(np.float32)
