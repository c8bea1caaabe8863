"""Search for a recipe's best parameters with cross-validation, on this machine or a Dask cluster.

Only scikit-learn's own functions are sent to workers, so a cluster needs scikit-learn but not
Pupila.
"""

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterSampler, StratifiedKFold, cross_validate
from sklearn.utils.parallel import Parallel, delayed

from errors import RecipeError, first_line
from train.data_size import DataSize
from train.recipes import Recipe
from train.workers import interrupts_blocked, workers_of

FOLDS = 5
HALVING_FACTOR = 3

Method = Literal["random", "halving"]
Parameters = Mapping[str, Any]

# Ten images of a class are two in each of five folds.
_CLASS_IMAGES = 2 * FOLDS


@dataclass(frozen=True)
class Trial:
    """The parameters of a candidate and its cross-validated scores, means over the folds."""

    parameters: Parameters
    accuracy: float
    log_loss: float
    images: int


@dataclass(frozen=True)
class SearchResult:
    """The winner, and all trials, round by round."""

    winner: Trial
    trials: tuple[Trial, ...]


def search(
    recipe: Recipe,
    features: NDArray[np.float32],
    targets: NDArray[Any],
    *,
    candidates: int,
    seed: int,
    method: Method = "random",
    workers: int | None = None,
    dask: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SearchResult:
    """Try up to ``candidates`` points of the recipe's ranges, all on the same stratified folds.

    ``features``: float32 [N, F]; ``targets``: labels [N]. The winner has the highest accuracy; if
    several do, the lowest log-loss, then the earliest wins.

    ``halving`` starts with all candidates on few images and continues with the best third on three
    times as many, until the last round has all images (successive halving: Jamieson and Talwalkar,
    2016, https://arxiv.org/abs/1502.07943). scikit-learn's HalvingRandomSearchCV draws the images
    of a round without regard to class and then fails on rare classes; here each class keeps its
    proportion.

    ``workers`` is the number of processes, by default one for each processor; ``dask`` is the
    address of a scheduler to use instead. Both find the same winner for the same seed.
    ``on_progress`` is called with the numbers of finished and of all fits.

    Raises RecipeError if ``candidates`` is below 1, a class has too few images, a fit fails, or
    the cluster cannot be used.
    """
    if candidates < 1:
        raise RecipeError(f"A search needs at least one candidate, not {candidates}.")
    members = np.unique(targets, return_counts=True)[1]
    folds = min(FOLDS, int(members.min()))
    if folds < 2:
        raise RecipeError("A search needs at least two training images of each class.")
    rounds = [(candidates, 1.0)]
    if method == "halving":
        rounds = _halving_rounds(candidates, float(members.mean()))
    first_rows = _stratified_rows(targets, rounds[0][1], seed)
    size = DataSize.of(targets[first_rows]).in_fold(folds)
    estimator = recipe.build(seed, size)
    chosen = _draw(recipe.space(size), candidates, seed)
    rounds = [(min(count, len(chosen)), proportion) for count, proportion in rounds]
    total = folds * sum(count for count, _ in rounds)
    finished = itertools.count(1)
    notify = on_progress or (lambda _done, _total: None)
    trials: list[Trial] = []
    with workers_of(workers, dask):
        notify(0, total)
        for count, proportion in rounds:
            rows = _stratified_rows(targets, proportion, seed)
            X, y = features[rows], targets[rows]
            splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(X, y))
            means = _cross_validate(
                estimator, chosen[:count], X, y, splits, lambda: notify(next(finished), total)
            )
            ranked = sorted(
                (
                    Trial(parameters, float(accuracy), float(log_loss), len(rows))
                    for parameters, (accuracy, log_loss) in zip(chosen, means, strict=False)
                ),
                key=_rank,
            )
            trials += ranked
            chosen = [trial.parameters for trial in ranked]
    return SearchResult(ranked[0], tuple(trials))


def _rank(trial: Trial) -> tuple[float, float]:
    # Rounded, since another number of threads adds up in another order.
    return -round(trial.accuracy, 9), round(trial.log_loss, 6)


def _draw(space: Parameters, candidates: int, seed: int) -> list[Parameters]:
    with warnings.catch_warnings():
        # If the space has fewer points than candidates, all of them are tried.
        warnings.filterwarnings("ignore", message="The total space of parameters")
        points = list(ParameterSampler(dict(space), candidates, random_state=seed))
    return [
        {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in point.items()
        }
        for point in points
    ]


def _halving_rounds(candidates: int, class_images: float) -> list[tuple[int, float]]:
    """The number of candidates and the proportion of the images, round by round.

    Each round has a third of the candidates before and three times the images; the first round has
    at least ten images of the average class.
    """
    rounds = [(candidates, 1.0)]
    while rounds[0][1] * class_images >= HALVING_FACTOR * _CLASS_IMAGES and rounds[-1][0] > 1:
        rounds = [(count, proportion / HALVING_FACTOR) for count, proportion in rounds]
        rounds.append((-(-rounds[-1][0] // HALVING_FACTOR), 1.0))
    return rounds


def _stratified_rows(targets: NDArray[Any], proportion: float, seed: int) -> NDArray[np.int64]:
    """Rows with this proportion of each class, but at least ten if it has them.

    A larger proportion includes the rows of a smaller one.
    """
    rng = np.random.default_rng(seed)
    kept = []
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        kept.append(members[: max(round(proportion * len(members)), _CLASS_IMAGES)])
    return np.sort(np.concatenate(kept))


def _cross_validate(
    estimator: Any,
    chosen: Sequence[Parameters],
    X: NDArray[np.float32],
    y: NDArray[Any],
    splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    on_fit: Callable[[], None],
) -> NDArray[np.float64]:
    """float64 [candidates, 2]: accuracy and log-loss, means over the folds."""
    tasks = (
        delayed(cross_validate)(
            clone(estimator).set_params(**parameters),
            X,
            y,
            cv=[split],
            scoring=("accuracy", "neg_log_loss"),
            error_score="raise",
        )
        for parameters in chosen
        for split in splits
    )
    scores: list[tuple[float, float]] = []
    with warnings.catch_warnings():
        # scikit-learn sends the warning filters to the workers, which cannot unpickle a category of
        # a package that they do not have. A line for each warning of a fold would not help anyone.
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        try:
            with interrupts_blocked():
                results = Parallel(return_as="generator")(tasks)
            for result in results:
                scores.append(
                    (float(result["test_accuracy"][0]), -float(result["test_neg_log_loss"][0]))
                )
                on_fit()
        except Exception as error:
            raise RecipeError(
                f"The search stopped because a fit failed: {first_line(error)}."
            ) from error
    means: NDArray[np.float64] = np.array(scores).reshape(len(chosen), len(splits), 2).mean(axis=1)
    return means
