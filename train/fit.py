"""One training: split, search if asked, fit, evaluate, and make the candidate for a version."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from errors import RecipeError
from models.manifest import DataFingerprint, Metrics
from models.offline.candidate import Candidate
from models.reference import Reference
from train.datasets import Dataset, split
from train.evaluate import evaluate
from train.figures import confusion_picture, mistakes_picture
from train.halves import components, fit_halves
from train.recipes import Amount, Recipe, recipe
from train.search import Method, SearchResult, search

REFERENCE_IMAGES = 5_000

Stage = Literal["search", "fit"]
OnStage = Callable[[Stage, int, int], None]
"""Called with a stage, and how much of it is done of how much."""


@dataclass(frozen=True)
class SearchPlan:
    """How to search; see ``train.search.search``. RecipeError below one candidate."""

    candidates: int
    method: Method = "random"
    workers: int | None = None
    dask: str | None = None

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise RecipeError(f"A search needs one candidate at least, not {self.candidates}.")


@dataclass(frozen=True)
class TrainingResult:
    """A candidate that no one has converted or checked yet, and how it did on its holdout."""

    candidate: Candidate
    metrics: Metrics
    search: SearchResult | None


def train(
    dataset: Dataset,
    recipe_name: str = "svc",
    name: str = "clf",
    *,
    seed: int = 0,
    holdout: float = 0.2,
    plan: SearchPlan | None = None,
    backend: Literal["onnx", "sklearn"] = "onnx",
    parent: str | None = None,
    on_stage: OnStage | None = None,
) -> TrainingResult:
    """Train the recipe on all but the holdout, and evaluate it there.

    The same dataset, recipe, plan and seed give the same estimator and metrics, to the bit: BLAS
    is held to one thread, because more of them add up in another order. Raises DatasetError or
    RecipeError.
    """
    chosen = recipe(recipe_name)
    parts = split(dataset, holdout, seed)
    notify = on_stage or (lambda _stage, _done, _total: None)
    features, targets = parts.train.features(), parts.train.targets
    found = None
    if plan is not None:
        found = search(
            chosen,
            features,
            targets,
            candidates=plan.candidates,
            seed=seed,
            method=plan.method,
            workers=plan.workers,
            dask=plan.dask,
            on_progress=lambda done, total: notify("search", done, total),
        )
    searched = {} if found is None else found.winner.parameters
    estimator = chosen.build(seed, Amount.of(targets)).set_params(**searched)
    notify("fit", 0, 1)
    with threadpool_limits(1, user_api="blas"):
        try:
            estimator.fit(features, targets)
        except ValueError as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise RecipeError(
                f"Recipe {chosen.name} cannot be fitted to {dataset.name}: {reason}."
            ) from error
        probabilities = estimator.predict_proba(parts.holdout.features())
        halves = fit_halves(chosen, searched, features, targets, seed)
        mean, main = components(features, seed)
    notify("fit", 1, 1)
    held, truth = parts.holdout, parts.holdout.indices
    metrics = evaluate(held.labels, truth, probabilities)
    # In random order: what takes the first rows must not see the first class alone.
    rows = np.random.default_rng(seed).permutation(len(held))[:REFERENCE_IMAGES]
    candidate = Candidate(
        name=name,
        estimator=estimator,
        spec=dataset.spec,
        check_pixels=held.pixels[rows],
        recipe=chosen.name,
        parameters=_parameters(chosen, estimator),
        data=_fingerprint(dataset, len(held), seed),
        metrics=metrics,
        reference=Reference(
            held.pixels[rows],
            truth[rows],
            probabilities[rows].astype(np.float32),
            pca_mean=mean,
            pca_components=main,
            sizes=parts.train.sizes,
        ),
        halves=halves.estimators,
        without_halves=halves.reason,
        pictures={
            "confusion.png": confusion_picture(metrics),
            "mistakes.png": mistakes_picture(
                held.pixels, truth, probabilities, held.labels, held.spec
            ),
        },
        parent=parent,
        backend=backend,
    )
    return TrainingResult(candidate, metrics, found)


def _parameters(chosen: Recipe, estimator: Any) -> dict[str, Any]:
    """What the recipe fixes and what a search may vary, as fitted."""
    everything = estimator.get_params()
    return {name: everything[name] for name in sorted({*chosen.ranges, *chosen.fixed})}


def _fingerprint(dataset: Dataset, holdout: int, seed: int) -> DataFingerprint:
    return DataFingerprint(
        name=dataset.name,
        sha256=dataset.sha256,
        images=len(dataset),
        holdout=holdout,
        classes=dataset.counts,
        skipped=len(dataset.skipped),
        seed=seed,
    )
