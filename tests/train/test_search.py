import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dask
import joblib
import numpy as np
import pytest
from distributed import Client, LocalCluster, get_task_stream
from numpy.typing import NDArray
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from errors import RecipeError
from train import search as search_module
from train.cluster import MUST_MATCH, check_versions
from train.recipes import Recipe, recipe
from train.search import FOLDS, SearchResult, search

RANGES = {"var_smoothing": loguniform(1e-12, 1e3)}


def made_up(estimator: Any, ranges: Mapping[str, Any]) -> Recipe:
    return Recipe("made up", "", lambda _seed, _amount: clone(estimator), ranges)


BAYES = made_up(GaussianNB(), RANGES)


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    options = {"distributed.scheduler.allowed-failures": 0, "distributed.worker.daemon": True}
    with (
        dask.config.set(options),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, processes=True, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
    ):
        yield cluster


def bayes(
    digits: tuple[NDArray[np.float32], NDArray[np.int64]], seed: int = 0, **how: Any
) -> SearchResult:
    how = {"candidates": 6, "workers": 1} | how
    return search(BAYES, *digits, seed=seed, **how)


@pytest.fixture(scope="module")
def found(digits: Any) -> SearchResult:
    """By one process, with seed 0."""
    return bayes(digits)


def deadly(**how: Any) -> SearchResult:
    """A search whose every fit ends its process."""
    estimator = make_pipeline(FunctionTransformer(np.vectorize(os._exit)), LogisticRegression())
    X: Any = np.ones((20, 3), dtype=np.int64)
    space = {"logisticregression__C": [0.1, 1.0]}
    return search(made_up(estimator, space), X, np.arange(20) % 2, candidates=2, seed=0, **how)


def test_the_winner_is_the_one_of_scikit_learn(digits: Any, found: SearchResult) -> None:
    theirs = RandomizedSearchCV(
        GaussianNB(),
        RANGES,
        n_iter=6,
        random_state=0,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
    ).fit(*digits)
    ours = found.winner
    assert ours.parameters == theirs.best_params_
    assert ours.accuracy == pytest.approx(theirs.best_score_)


def test_the_seed_decides_the_candidates(digits: Any, found: SearchResult) -> None:
    assert bayes(digits) == found
    assert bayes(digits, seed=1).winner != found.winner


def test_two_processes_find_the_same(digits: Any, found: SearchResult) -> None:
    assert bayes(digits, workers=2) == found


def test_processes_leave_ctrl_c_to_their_parent(digits: Any) -> None:
    bayes(digits, workers=2)
    # joblib keeps the processes, and gives them to the next who asks for as many.
    masks = joblib.Parallel(n_jobs=2, backend="loky")(
        joblib.delayed(signal.pthread_sigmask)(signal.SIG_BLOCK, ()) for _ in range(2)
    )
    assert all(signal.SIGINT in mask for mask in masks)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_equal_accuracy_is_decided_by_log_loss() -> None:
    X = np.repeat([[0.0], [1.0]], 20, axis=0).astype(np.float32)
    result = search(
        made_up(LogisticRegression(), {"C": [0.1, 100.0, 1.0]}),
        X,
        np.repeat([0, 1], 20),
        candidates=3,
        seed=0,
        workers=1,
    )
    assert {trial.accuracy for trial in result.trials} == {1.0}
    assert result.winner.parameters == {"C": 100.0}


def test_parameters_are_plain_numbers(found: SearchResult) -> None:
    assert type(found.winner.parameters["var_smoothing"]) is float


def test_a_small_space_is_tried_whole(digits: Any) -> None:
    result = search(
        made_up(GaussianNB(), {"var_smoothing": [1e-9, 1.0]}),
        *digits,
        candidates=50,
        seed=0,
        workers=1,
    )
    assert len(result.trials) == 2


def test_progress_counts_fits(digits: Any) -> None:
    seen: list[tuple[int, int]] = []
    bayes(digits, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6 * FOLDS) for done in range(6 * FOLDS + 1)]


def test_halving_gives_a_third_of_the_candidates_three_times_the_images(digits: Any) -> None:
    result = bayes(digits, candidates=9, method="halving")
    images = [trial.images for trial in result.trials]
    assert images.count(1797) == 1
    assert [round(1797 / count) for count in sorted(set(images))] == [9, 3, 1]
    assert [images.count(count) for count in sorted(set(images))] == [9, 3, 1]
    assert result.winner is result.trials[-1]


def test_halving_keeps_rare_classes() -> None:
    y = np.repeat([0, 1, 2], [600, 600, 5])
    X = (y[:, None] + np.random.default_rng(0).normal(size=(len(y), 4))).astype(np.float32)
    result = search(BAYES, X, y, candidates=9, seed=0, workers=1, method="halving")
    assert min(trial.images for trial in result.trials) < len(y) / 2
    assert all(np.isfinite(trial.log_loss) for trial in result.trials)


def test_halving_of_few_images_is_one_round() -> None:
    y = np.arange(20) % 2
    X = y[:, None].astype(np.float32)
    result = search(BAYES, X, y, candidates=9, seed=0, workers=1, method="halving")
    assert {trial.images for trial in result.trials} == {20}


def test_a_class_of_two_has_two_folds() -> None:
    y = np.array([0] * 10 + [1] * 2)
    X = y[:, None].astype(np.float32)
    seen: list[int] = []
    search(
        BAYES,
        X,
        y,
        candidates=3,
        seed=0,
        workers=1,
        on_progress=lambda _done, total: seen.append(total),
    )
    assert seen[-1] == 3 * 2


def test_no_candidates(digits: Any) -> None:
    with pytest.raises(RecipeError, match="at least one candidate, not 0"):
        bayes(digits, candidates=0)


def test_a_class_of_one_cannot_be_searched() -> None:
    X = np.zeros((5, 1), dtype=np.float32)
    with pytest.raises(RecipeError, match="at least two training images of each class"):
        search(BAYES, X, np.array([0, 0, 0, 0, 1]), candidates=1, seed=0)


def test_a_fit_that_fails_is_one_sentence(digits: Any) -> None:
    with pytest.raises(RecipeError, match=r"a fit failed: .*var_smoothing") as error:
        search(
            made_up(GaussianNB(), {"var_smoothing": [-1.0]}),
            *digits,
            candidates=1,
            seed=0,
            workers=1,
        )
    assert "\n" not in str(error.value)


def test_a_process_that_dies_costs_its_candidate_and_no_other() -> None:
    notes: list[str] = []
    estimator = make_pipeline(FunctionTransformer(), LogisticRegression())
    space = {"functiontransformer__func": [None, np.vectorize(os._exit)]}
    X: Any = np.ones((20, 3), dtype=np.int64)
    result = search(
        made_up(estimator, space),
        X,
        np.arange(20) % 2,
        candidates=2,
        seed=0,
        workers=2,
        on_note=notes.append,
    )
    assert result.winner.parameters == {"functiontransformer__func": None}
    assert [failed.reason for failed in result.failed] == ["a process died"]
    (note,) = notes
    assert note.startswith("A process of the search died: going on with 1 instead of 2 at a time;")
    assert note.endswith("use --workers 1.")


def test_a_limit_of_processors_is_kept(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single process is this one, so it can be told."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    seen: list[int] = []

    def look(X: NDArray[Any]) -> NDArray[Any]:
        seen.append(os.getpid())
        return X

    estimator = make_pipeline(FunctionTransformer(look), GaussianNB())
    recipe_ = made_up(estimator, {"gaussiannb__var_smoothing": [1.0]})
    search(recipe_, *digits, candidates=1, seed=0)
    assert set(seen) == {os.getpid()}


def test_an_interrupted_search_goes_on(digits: Any, found: SearchResult, tmp_path: Path) -> None:
    def interrupt(done: int, _total: int) -> None:
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bayes(digits, journals=tmp_path, on_progress=interrupt)
    (journal,) = tmp_path.iterdir()
    lines = journal.read_text().splitlines()
    assert len(lines) == 12
    journal.write_text("\n".join(lines) + '\n["half of a li')
    result = bayes(digits, journals=tmp_path)
    assert result == found
    assert len(journal.read_text().splitlines()) == 12 + 1 + 6 * FOLDS - 12
    result.journal.close()
    assert list(tmp_path.iterdir()) == []


def test_another_search_has_another_journal(digits: Any, tmp_path: Path) -> None:
    for seed in (0, 1):
        bayes(digits, seed=seed, candidates=1, journals=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_groups_are_in_one_fold() -> None:
    """Each group has a value and a label of its own, which nothing else tells."""
    groups = np.arange(200) // 10
    X = groups[:, None].astype(np.float32)
    y = np.random.default_rng(0).integers(0, 2, 20)[groups]
    how: dict[str, Any] = {"candidates": 1, "seed": 0, "workers": 1}
    tree = made_up(DecisionTreeClassifier(random_state=0), {"max_depth": [None]})
    assert search(tree, X, y, **how).winner.accuracy == 1.0
    assert search(tree, X, y, groups=groups, **how).winner.accuracy < 1.0


def test_three_groups_have_three_folds() -> None:
    y = np.arange(30) % 2
    X = (y[:, None] + np.random.default_rng(0).normal(size=(30, 4))).astype(np.float32)
    seen: list[tuple[int, int]] = []
    search(
        BAYES,
        X,
        y,
        candidates=2,
        seed=0,
        workers=1,
        groups=np.arange(30) // 10,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(done, 2 * 3) for done in range(2 * 3 + 1)]


def test_a_single_group_cannot_be_searched() -> None:
    X, y = np.zeros((20, 1), dtype=np.float32), np.arange(20) % 2
    with pytest.raises(RecipeError, match="of each class, and two groups"):
        search(BAYES, X, y, candidates=1, seed=0, groups=np.zeros(20))


def test_halving_begins_with_two_groups() -> None:
    X, y = np.zeros((1800, 1), dtype=np.float32), np.arange(1800) % 2
    groups = np.arange(1800) == 1799
    with pytest.raises(RecipeError, match=r"begins with are of one group: leave --halving out"):
        search(BAYES, X, y, candidates=9, seed=0, method="halving", groups=groups)


@pytest.mark.parametrize("method", ["random", "halving"])
def test_a_dask_cluster_does_the_work_and_finds_the_same(
    digits: Any, cluster: Any, method: search_module.Method
) -> None:
    with Client(cluster.scheduler_address) as client:  # type: ignore[no-untyped-call]
        processes = client.run(os.getpid)
        with get_task_stream(client=client) as stream:
            result = bayes(digits, dask=cluster.scheduler_address, method=method)
        fits = [task for task in stream.data if "cross_validate" in str(task["key"])]
        batches = [re.search(r"_(\d+)_calls", str(task["key"])) for task in fits]
    assert result == bayes(digits, method=method)
    assert sum(int(batch[1]) for batch in batches if batch) == len(result.trials) * FOLDS
    assert {task["worker"] for task in fits} == set(processes)
    assert os.getpid() not in processes.values()


def test_a_worker_that_dies_ends_the_search_with_a_sentence(cluster: Any) -> None:
    with pytest.raises(RecipeError, match="a fit failed") as error:
        deadly(dask=cluster.scheduler_address)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("nowhere.invalid:8786", "known"),
        ("localhost", "missing port"),
        ("http://localhost:80", "unknown address scheme"),
    ],
)
def test_a_cluster_that_cannot_be_reached(digits: Any, address: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason) as error:
        bayes(digits, dask=address)
    assert address in str(error.value)


def test_a_cluster_without_workers(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.cluster.WORKER_SECONDS", 0.2)
    with (
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=0, processes=True, dashboard_address=":0"
        ) as empty,
        pytest.raises(RecipeError, match="no worker ready"),
    ):
        bayes(digits, dask=empty.scheduler_address)


@pytest.mark.parametrize(
    ("theirs", "reason"), [({"scikit-learn": "1.4.0"}, "has scikit-learn 1.4.0"), ({}, "has no ")]
)
def test_a_worker_with_other_libraries(theirs: dict[str, str], reason: str) -> None:
    ours = dict.fromkeys(MUST_MATCH, "2.0")
    versions = {
        "client": {"packages": ours},
        "workers": {"tcp://a:1": {"packages": ours}, "tcp://b:1": {"packages": theirs}},
    }
    with pytest.raises(RecipeError, match=f"tcp://b:1 {reason}"):
        check_versions(versions)


@pytest.mark.parametrize("method", ["random", "halving"])
def test_a_calibrated_recipe_is_searched_with_few_images(method: search_module.Method) -> None:
    y = np.repeat([0, 1, 2], [60, 60, 3])
    X = (y[:, None] + np.random.default_rng(0).normal(size=(len(y), 4))).astype(np.float32)
    found = search(recipe("svc"), X, y, candidates=3, seed=0, workers=1, method=method)
    assert found.winner.parameters.keys() == {"estimator__C", "estimator__gamma"}


def test_without_distributed_the_requirements_are_named(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "train.cluster", raising=False)
    with pytest.raises(RecipeError, match=r"pip install -r requirements/dask\.txt"):
        bayes(digits, dask="tcp://127.0.0.1:8786")
