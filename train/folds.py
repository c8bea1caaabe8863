"""The folds of a cross-validation: as many as the data allow, stratified, with whole groups."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from train.data_size import DataSize


def most_folds(wanted: int, targets: NDArray[Any], groups: NDArray[Any] | None) -> int:
    """As many as every class, and the groups, allow; below 2 there are none.

    ``targets``: labels [N]; ``groups``: [N], of which each is in one fold.
    """
    found = min(wanted, DataSize.of(targets).rarest)
    return found if groups is None else min(found, len(np.unique(groups)))


def stratified(
    folds: int, targets: NDArray[Any], groups: NDArray[Any] | None, seed: int
) -> list[Any]:
    """For each fold the rows of the others, and its own; the same seed gives the same folds."""
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return list(kind(folds, shuffle=True, random_state=seed).split(targets, targets, groups))


def are_whole(splits: list[Any], targets: NDArray[Any], least: int = 1) -> bool:
    """Whether ``least`` images of every class are in what each estimator is fitted to, as they must
    be: of a class of one group, the others have none."""
    names, indices = np.unique(targets, return_inverse=True)
    counts = (np.bincount(indices[rest], minlength=len(names)) for rest, _ in splits)
    return all(bool((found >= least).all()) for found in counts)
