"""Search for a recipe's best parameters with cross-validation, on this machine or a Dask cluster.

Only scikit-learn's own functions are sent to workers, so a cluster needs scikit-learn but not
Pupila.
"""

import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterSampler, cross_validate

from errors import RecipeError
from train.attempts import Attempts, Fit
from train.data_size import DataSize
from train.folds import are_whole, most_folds, stratified
from train.journal import Journal, Score
from train.recipes import Recipe
from train.workers import workers_of

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
class Failed:
    """A candidate that was given up, and why."""

    parameters: Parameters
    reason: str


@dataclass(frozen=True)
class SearchResult:
    """The winner, all trials, round by round, and candidates that could not be fitted.

    ``journal``: what was tried, on disk until it is closed.
    """

    winner: Trial
    trials: tuple[Trial, ...]
    failed: tuple[Failed, ...] = ()
    journal: Journal = field(default_factory=lambda: Journal(None), compare=False)


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
    on_note: Callable[[str], None] | None = None,
    groups: NDArray[Any] | None = None,
    journals: Path | None = None,
) -> SearchResult:
    """Try up to ``candidates`` points of the recipe's ranges, all on the same stratified folds.

    ``features``: float32 [N, F]; ``targets``: labels [N]. The winner has the highest accuracy; if
    several do, the lowest log-loss, then the earliest wins.

    ``halving`` starts with all candidates on few images and continues with the best third on three
    times as many, until the last round has all images (successive halving: Jamieson and Talwalkar,
    2016, https://arxiv.org/abs/1502.07943). scikit-learn's HalvingRandomSearchCV draws the images
    of a round without regard to class and then fails on rare classes; here each class keeps its
    proportion.

    ``workers`` is the number of processes, by default one for each processor that this process may
    use; ``dask`` is the address of a scheduler to use instead. Both find the same winner for the
    same seed.
    ``on_progress`` is called with the numbers of finished and of all fits, ``on_note`` with
    sentences. ``groups``: [N], of which each is in one fold. ``journals``: a folder to keep what
    was tried, and to go on with it.

    A process that dies costs no more than its candidate. Raises RecipeError if ``candidates`` is
    below 1, a class has too few images, there are too few groups, a fit fails, no candidate could
    be fitted, or the cluster cannot be used.
    """
    if candidates < 1:
        raise RecipeError(f"A search needs at least one candidate, not {candidates}.")
    folds = most_folds(FOLDS, targets, groups)
    if folds < 2:
        raise RecipeError(
            "A search needs at least two training images of each class, and two groups if there "
            "are any."
        )
    rounds = [(candidates, 1.0)]
    if method == "halving":
        rounds = _halving_rounds(candidates, len(targets) / len(np.unique(targets)))
    drawn = [_stratified_rows(targets, proportion, seed) for _, proportion in rounds]
    splits_of = [_splits(folds, targets, groups, rows, seed) for rows in drawn]
    size = DataSize.of(targets[drawn[0]]).in_fold(len(splits_of[0]))
    estimator = recipe.build(seed, size)
    chosen = _draw(recipe.space(size), candidates, seed)
    counts = [min(count, len(chosen)) for count, _ in rounds]
    total = sum(count * len(splits) for count, splits in zip(counts, splits_of, strict=True))
    finished = itertools.count(1)
    notify = on_progress or (lambda _done, _total: None)
    note = on_note or (lambda _text: None)
    trials: list[Trial] = []
    failed: list[Failed] = []
    journal = Journal.of(
        journals, estimator, features, targets, recipe.name, seed, folds, _plain(groups)
    )
    with workers_of(workers, dask):
        notify(0, total)
        attempts = Attempts(None if dask else workers or joblib.cpu_count(), {}, note)
        for count, rows, splits in zip(counts, drawn, splits_of, strict=True):
            X, y = features[rows], targets[rows]
            round_ = _Round(chosen[:count], len(rows), len(splits), journal)
            attempts.lost.clear()
            fits = [
                fit
                for fit in _fits(estimator, round_.chosen, X, y, splits)
                if not round_.has(fit.candidate, fit.fold)
            ]
            for _ in range(len(round_.chosen) * len(splits) - len(fits)):
                notify(next(finished), total)
            for fit, score in attempts.run(fits):
                round_.add(fit.candidate, fit.fold, score)
                notify(next(finished), total)
            failed += [Failed(round_.chosen[number], why) for number, why in attempts.lost.items()]
            ranked = sorted(round_.trials(), key=_rank)
            if not ranked:
                raise RecipeError(
                    f"The search stopped because a fit failed for every candidate: "
                    f"{failed[0].reason}; use fewer --workers, or a smaller --image-spec."
                )
            trials += ranked
            chosen = [trial.parameters for trial in ranked]
    return SearchResult(ranked[0], tuple(trials), tuple(failed), journal)


class _Round:
    """The scores of the candidates on so many images."""

    def __init__(
        self, chosen: Sequence[Parameters], images: int, folds: int, journal: Journal
    ) -> None:
        self.chosen = chosen
        self._images, self._folds, self._journal = images, folds, journal

    def has(self, candidate: int, fold: int) -> bool:
        return self._journal.get(self.chosen[candidate], self._images, fold) is not None

    def add(self, candidate: int, fold: int, score: Score) -> None:
        self._journal.add(self.chosen[candidate], self._images, fold, score)

    def trials(self) -> Iterator[Trial]:
        """Of the candidates of which every fold could be fitted."""
        for parameters in self.chosen:
            scores = [
                self._journal.get(parameters, self._images, fold) for fold in range(self._folds)
            ]
            known = [score for score in scores if score is not None]
            if len(known) == len(scores):
                accuracy, log_loss = np.array(known).mean(axis=0)
                yield Trial(parameters, float(accuracy), float(log_loss), self._images)


def _splits(
    folds: int,
    targets: NDArray[Any],
    groups: NDArray[Any] | None,
    rows: NDArray[np.int64],
    seed: int,
) -> list[Any]:
    """Those of a round with these ``rows``, which may lack some of the groups."""
    if groups is None:
        return stratified(folds, targets[rows], None, seed)
    folds = min(folds, len(np.unique(groups[rows])))
    if folds < 2:
        raise RecipeError(
            f"The {len(rows):,} images that the search begins with are of one group: leave "
            "--halving out."
        )
    splits = stratified(folds, targets[rows], groups[rows], seed)
    if not are_whole(splits, targets[rows]):
        raise RecipeError(
            "The groups leave no folds for the search, as a class has too few of them: leave "
            "--search out, or use smaller --groups."
        )
    return splits


def _plain(groups: NDArray[Any] | None) -> list[Any] | None:
    return None if groups is None else groups.tolist()


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


def _fits(
    estimator: Any,
    chosen: Sequence[Parameters],
    X: NDArray[np.float32],
    y: NDArray[Any],
    splits: Sequence[Any],
) -> list[Fit]:
    return [
        Fit(
            candidate,
            fold,
            cross_validate,
            (clone(estimator).set_params(**parameters), X, y),
            {
                "cv": [split],
                "scoring": ("accuracy", "neg_log_loss"),
                "error_score": "raise",
            },
        )
        for candidate, parameters in enumerate(chosen)
        for fold, split in enumerate(splits)
    ]
