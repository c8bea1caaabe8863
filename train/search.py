"""Search for a recipe's best parameters by cross-validation, on this machine or a Dask cluster.

Only scikit-learn's own functions are sent to workers, so a cluster needs scikit-learn and not
Pupila.
"""

import itertools
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any, Literal

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterSampler, StratifiedKFold, cross_validate
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from errors import RecipeError
from train.recipes import Amount, Recipe

FOLDS = 5
HALVING_FACTOR = 3

Method = Literal["random", "halving"]
Parameters = Mapping[str, Any]

# With ten images of a class, each of five folds holds two of it.
_CLASS_IMAGES = 2 * FOLDS


@dataclass(frozen=True)
class Trial:
    """One candidate's parameters and its cross-validated scores, means over the folds."""

    parameters: Parameters
    accuracy: float
    log_loss: float
    images: int


@dataclass(frozen=True)
class SearchResult:
    """The winner, and every trial, round by round."""

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

    ``features``: float32 [N, F]; ``targets``: labels [N]. The winner has the highest accuracy;
    equal ones are told apart by log-loss, then by who came first.

    ``halving`` begins with all candidates on few images and goes on with the best third on three
    times as many, until the last round has all images (successive halving: Jamieson and Talwalkar,
    2016, https://arxiv.org/abs/1502.07943). scikit-learn's HalvingRandomSearchCV draws the images
    of a round without regard to class and then fails on rare ones; here each class keeps its share.

    ``workers`` is a number of processes, by default one for each processor; ``dask`` is the address
    of a scheduler to use instead. The same seed has the same winner on either. ``on_progress`` is
    called with the finished and all fits.

    Raises RecipeError if ``candidates`` is below 1, a class has too few images, a fit fails, or
    the cluster cannot be used.
    """
    if candidates < 1:
        raise RecipeError(f"A search needs one candidate at least, not {candidates}.")
    members = np.unique(targets, return_counts=True)[1]
    folds = min(FOLDS, int(members.min()))
    if folds < 2:
        raise RecipeError("A search needs two training images of each class at least.")
    rounds = [(candidates, 1.0)]
    if method == "halving":
        rounds = _halving_rounds(candidates, float(members.mean()))
    least = Amount.of(targets[_stratified_rows(targets, rounds[0][1], seed)]).in_fold(folds)
    estimator = recipe.build(seed, least)
    chosen = _draw(recipe.space(least), candidates, seed)
    rounds = [(min(count, len(chosen)), share) for count, share in rounds]
    total = folds * sum(count for count, _ in rounds)
    finished = itertools.count(1)
    notify = on_progress or (lambda _done, _total: None)
    trials: list[Trial] = []
    with _backend(workers, dask):
        notify(0, total)
        for count, share in rounds:
            rows = _stratified_rows(targets, share, seed)
            X, y = features[rows], targets[rows]
            cuts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(X, y))
            means = _cross_validate(
                estimator, chosen[:count], X, y, cuts, lambda: notify(next(finished), total)
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
        # A space of fewer points than candidates is tried whole.
        warnings.filterwarnings("ignore", message="The total space of parameters")
        points = list(ParameterSampler(dict(space), candidates, random_state=seed))
    return [
        {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in p.items()
        }
        for p in points
    ]


def _halving_rounds(candidates: int, class_images: float) -> list[tuple[int, float]]:
    """How many candidates go on with which share of the images, round by round.

    A third of the candidates of the round before, with three times the images; the first round
    still has ten images of the average class.
    """
    rounds = [(candidates, 1.0)]
    while rounds[0][1] * class_images >= HALVING_FACTOR * _CLASS_IMAGES and rounds[-1][0] > 1:
        rounds = [(count, share / HALVING_FACTOR) for count, share in rounds]
        rounds.append((-(-rounds[-1][0] // HALVING_FACTOR), 1.0))
    return rounds


def _stratified_rows(targets: NDArray[Any], share: float, seed: int) -> NDArray[np.int64]:
    """Rows with this share of each class, and ten of it where there are; a larger share adds."""
    rng = np.random.default_rng(seed)
    kept = []
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        kept.append(members[: max(round(share * len(members)), _CLASS_IMAGES)])
    return np.sort(np.concatenate(kept))


def _cross_validate(
    estimator: Any,
    chosen: Sequence[Parameters],
    X: NDArray[np.float32],
    y: NDArray[Any],
    cuts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    on_fit: Callable[[], None],
) -> NDArray[np.float64]:
    """float64 [candidates, 2]: accuracy and log-loss, means over the folds."""
    tasks = (
        delayed(cross_validate)(
            clone(estimator).set_params(**parameters),
            X,
            y,
            cv=[cut],
            scoring=("accuracy", "neg_log_loss"),
            error_score="raise",
        )
        for parameters in chosen
        for cut in cuts
    )
    found: list[tuple[float, float]] = []
    with warnings.catch_warnings():
        # scikit-learn sends the warning filters along, and a worker could not unpickle a category
        # of a package it has not installed. What a fold warns of is not worth a line each.
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        try:
            with _interrupts_blocked():
                results = Parallel(return_as="generator")(tasks)
            for scores in results:
                found.append(
                    (float(scores["test_accuracy"][0]), -float(scores["test_neg_log_loss"][0]))
                )
                on_fit()
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            raise RecipeError(f"The search stopped because a fit failed: {reason}.") from error
    means: NDArray[np.float64] = np.array(found).reshape(len(chosen), len(cuts), 2).mean(axis=1)
    return means


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes that start here never see Ctrl-C, at which each would print a traceback.

    They are ended by joblib, in this process, which gets the signal when the block is over.
    """
    # Were it first started in the block, it would unblock the signal (Python 3.11).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _backend(workers: int | None, dask: str | None) -> Iterator[None]:
    if dask is None:
        # A single worker is this process, whose BLAS threads would fight for busy processors:
        # 45 fits of a logistic regression took 108 s instead of 3.
        with (
            joblib.parallel_config(backend="loky", n_jobs=workers or -1),
            threadpool_limits(1, user_api="blas"),
        ):
            yield
        return
    from train.cluster import connected

    with connected(dask) as backend, joblib.parallel_config(backend=backend):
        yield
