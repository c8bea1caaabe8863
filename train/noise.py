"""Labels that are probably wrong, by confident learning.

Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, Journal
of Artificial Intelligence Research 70 (2021), https://arxiv.org/abs/1911.00068. An image counts for
a class if its probability reaches what the images with this label have on average (equation 2),
here four fifths of that; which class the images of each label count for is the confident joint
(equation 1). Suspect are

- images that count for another class than their label's, and
- of each label as many of the least probable ones as the joint says are wrong ("prune by class",
  section 3.2.2), unless their label is the most probable all the same.

Of these only the ``clear`` ones are left out of a training: the others are images that are hard to
tell, which a classifier needs.

Measured on digits with 3 % wrong labels, means of each of five recipes: 0.94 to 1.00 of them are
suspect, and 0.67 to 0.88 of the suspects are wrong indeed; a neural network trained without these
loses 3.0 points. What is left out, where the likeliest class is eight times as probable as the
label by the mean of three rounds of cross-validation, is in ``bench/retraining.md``: of one round,
logistic regression loses 0.3 points more. At twelve times, a forest finds 0.76 of them. At the
average itself in place of four fifths of it, 0.82 are found.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from train.data_size import DataSize
from train.folds import are_whole, most_folds, stratified
from train.recipes import recipe

FOLDS = 5
LENIENCE = 0.8
CLEARLY = 8.0
ROUNDS = 3
FEW_IMAGES = 5_000
"""Of more, one round of cross-validation says enough, and takes long."""

MAX_PROPORTION = 0.1
"""More suspects than this say more about the classifier than about the labels."""


def suspects(
    probabilities: NDArray[np.floating], given: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """bool [N], which labels are suspect, and int64 [N], the most probable class of each image.

    ``probabilities``: floats [N, C], each from a classifier that was not trained on the image;
    ``given``: int64 [N], the label as the index of a column.
    """
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(given)), given]
    thresholds = np.array(
        [
            own[given == index].mean() if (given == index).any() else np.inf
            for index in range(classes)
        ]
    )
    reached = np.where(probabilities >= LENIENCE * thresholds, probabilities, -1.0)
    counts = reached.max(axis=1) >= 0
    suspect = counts & (reached.argmax(axis=1) != given)
    likeliest = probabilities.argmax(axis=1).astype(np.int64)
    for index in range(classes):
        members = np.flatnonzero(given == index)
        counted = counts[members].sum()
        if counted:
            wrong = round(len(members) * float(suspect[members].sum()) / float(counted))
            least = members[np.argsort(own[members], kind="stable")[:wrong]]
            suspect[least] |= likeliest[least] != index
    return suspect, likeliest


def clear(probabilities: NDArray[np.floating], given: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool [N], of which images the likeliest class is ``CLEARLY`` times as probable as the label;
    the arguments are those of ``suspects``."""
    own = probabilities[np.arange(len(given)), given]
    return np.asarray(probabilities.max(axis=1) >= CLEARLY * own)


def out_of_fold(
    recipe_name: str,
    parameters: Mapping[str, Any],
    features: NDArray[np.float32],
    given: NDArray[np.int64],
    seed: int,
    groups: NDArray[Any] | None = None,
) -> NDArray[np.float64] | None:
    """float64 [N, C], from classifiers of the recipe that were fitted to the other folds.

    ``features``: float32 [N, F]; ``given``: int64 [N], labels from 0 to C - 1, each of which
    occurs; ``groups``: [N], each within one fold. The mean of ``ROUNDS`` divisions into folds where
    the images are few. None if a class has too few images to be in two folds. Raises RecipeError.
    """
    rarest = int(np.bincount(given).min())
    # In the rest of two folds, a class of three may have one image, too few for a calibration; so
    # may a class of two groups.
    folds = min(FOLDS, rarest // 2, most_folds(FOLDS, given, groups))
    if folds < 2:
        return None
    chosen = recipe(recipe_name)
    found = []
    for seed_of_round in range(seed, seed + (ROUNDS if len(given) <= FEW_IMAGES else 1)):
        splits = stratified(folds, given, groups, seed_of_round)
        result = np.zeros((len(given), int(given.max()) + 1))
        if not are_whole(splits, given, 2):
            continue
        with threadpool_limits(1, user_api="blas"):
            for rest, fold in splits:
                estimator = chosen.build(seed_of_round, DataSize.of(given[rest]))
                estimator.set_params(**parameters).fit(features[rest], given[rest])
                result[fold] = estimator.predict_proba(features[fold])
        found.append(result)
    return np.mean(found, axis=0) if found else None
