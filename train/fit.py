"""One training: split, search if requested, fit, evaluate, and make the candidate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from threadpoolctl import threadpool_limits

from errors import RecipeError, first_line
from models.extractor import Extractor
from models.manifest import DataFingerprint, Metrics
from models.offline.candidate import Candidate
from models.offline.comparison import image_digests
from models.training_images import TrainingSet
from settings import settings
from train.augmenting import Variants, with_variants
from train.calibration import bare, is_poor
from train.confusion import confusion_picture
from train.data_size import DataSize, few_images_are_no_regression
from train.dataset import Dataset, Split, split
from train.effort import Size, checked_images
from train.evaluate import calibration_error, evaluate
from train.halves import fit_halves
from train.honesty import judging, may_abstain, servable
from train.mistakes import mistakes_picture
from train.recipes import Recipe, recipe
from train.reference import images_of, reference_of, reference_rows
from train.search import Method, SearchResult, search
from train.tuning import tuned
from train.verdict import (
    Circumstances,
    is_guessing,
    on_accuracy,
    on_calibration,
    on_groups,
    on_holdout,
)

LEARNED_IMAGES = 500

Stage = Literal["search", "fit", "calibrate"]
OnStage = Callable[[Stage, int, int], None]
"""Called with (stage, done, total)."""


@dataclass(frozen=True)
class SearchPlan:
    """How to search; see ``train.search.search``. ``resume``: keep what is tried, and go on with a
    search that was interrupted. Raises RecipeError without a candidate."""

    candidates: int
    method: Method = "random"
    workers: int | None = None
    dask: str | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise RecipeError(f"A search needs at least one candidate, not {self.candidates}.")


@dataclass(frozen=True)
class TrainingResult:
    """A candidate that is not converted or checked yet, its metrics on the holdout, and the images
    of both parts of the split.

    ``trained_on``: digests of its training images, as ``models.offline.comparison`` has them;
    ``findings``: sentences on what is poor about it.
    """

    candidate: Candidate
    metrics: Metrics
    search: SearchResult | None
    trained_on: frozenset[bytes]
    images: TrainingSet
    findings: tuple[str, ...] = ()


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
    on_note: Callable[[str], None] | None = None,
    abstain: float | None = None,
) -> TrainingResult:
    """Train the recipe on everything but the holdout, and evaluate it on the holdout.

    The same dataset, recipe, plan and seed give exactly the same estimator and metrics: BLAS is
    limited to one thread, since several would add up in another order. Raises DatasetError or
    RecipeError.
    """
    recipe(recipe_name)
    return train_parts(
        split(dataset, holdout, seed),
        dataset,
        recipe_name,
        name,
        seed=seed,
        plan=plan,
        backend=backend,
        parent=parent,
        on_stage=on_stage,
        on_note=on_note,
        drawn=dataset.held is None,
        abstain=abstain,
    )


@few_images_are_no_regression()
def train_parts(
    parts: Split,
    whole: Dataset,
    recipe_name: str,
    name: str,
    *,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
    plan: SearchPlan | None = None,
    backend: Literal["onnx", "sklearn"] = "onnx",
    parent: str | None = None,
    on_stage: OnStage | None = None,
    on_note: Callable[[str], None] | None = None,
    drawn: bool = False,
    extractor: Extractor | None = None,
    variants: Variants | None = None,
    abstain: float | None = None,
) -> TrainingResult:
    """``train`` with a split that was made elsewhere, of the ``whole`` that the version names.

    ``parameters``: of the recipe, unless there is a ``plan`` to search; ``drawn``: whether the
    holdout was drawn at random from the same images. It may lack a class of the training set, but
    has no other. ``extractor``: what made the embeddings of both parts, if they have some;
    ``variants``: copies of the training photos, which are trained on, too.
    ``abstain``: the coverage by which the version is to abstain; raises ModelError if the holdout
    is too small for it.
    """
    chosen = recipe(recipe_name)
    notify = on_stage or (lambda _stage, _done, _total: None)
    fitted = parts.train if variants is None else with_variants(parts.train, variants)
    features, targets = fitted.features(), fitted.targets
    searched = None
    if plan is not None:
        searched = search(
            chosen,
            features,
            targets,
            candidates=plan.candidates,
            seed=seed,
            method=plan.method,
            workers=plan.workers,
            dask=plan.dask,
            on_progress=lambda done, total: notify("search", done, total),
            on_note=on_note,
            groups=fitted.groups,
            journals=settings().home / "searches" if plan.resume else None,
        )
    values = dict(parameters or {}) if searched is None else searched.winner.parameters
    if extractor is not None and not values:
        values = tuned(
            chosen,
            features,
            targets,
            fitted.groups,
            seed,
            lambda done, total: notify("search", done, total),
        )
    estimator = _built(chosen, targets, seed, values)
    base = bare(estimator)
    notify("fit", 0, 1)
    with threadpool_limits(1, user_api="blas"):
        try:
            base.fit(features, targets)
        except ValueError as error:
            raise RecipeError(
                f"Recipe {chosen.name} cannot be fitted to {whole.name}: {first_line(error)}."
            ) from error
        notify("fit", 1, 1)
        notify("calibrate", 0, 1)
        calibrated = servable(chosen, base, fitted, features, seed)
        if calibrated is not None:
            estimator = calibrated.estimator
        elif base is not estimator:
            # It has no probabilities of its own: scikit-learn's sigmoids take no notice of groups.
            estimator.fit(features, targets)
        held_features = parts.holdout.features()
        probabilities = estimator.predict_proba(held_features)
        notify("calibrate", 1, 1)
        halves = fit_halves(chosen, values, features, targets, seed)
        held, labels = parts.holdout, parts.train.labels
        truth = np.searchsorted(np.unique(targets), held.targets).astype(np.int64)
        findings = on_calibration(
            calibration_error(truth, probabilities),
            is_poor=is_poor(truth, probabilities, seed),
            is_done=calibrated is not None,
        )
    metrics = evaluate(labels, truth, probabilities, held.groups)
    features, targets = parts.train.features(), parts.train.targets
    given = whole.held is not None
    if is_guessing(metrics):
        findings += on_accuracy(metrics, _circumstances(parts, estimator, features, given=given))
    findings += on_groups(held.groups)
    findings += on_holdout(metrics, given=given)
    rows = reference_rows(parts, seed)
    space = whole.spec if extractor is None else None
    honest = judging(features, held_features[rows], probabilities[rows], truth[rows], space, seed)
    may_abstain(honest, f"The new version of {name}", abstain)
    checked = checked_images(chosen.name, Size(len(targets), features.shape[1], len(labels)))
    candidate = Candidate(
        name=name,
        estimator=estimator,
        calibration=None if calibrated is None else calibrated.record,
        honest=honest,
        abstain=abstain,
        spec=whole.spec,
        check_pixels=held.pixels[rows[:checked]],
        recipe=chosen.name,
        parameters=_parameters(chosen, estimator),
        data=_fingerprint(whole, len(held), seed),
        metrics=metrics,
        reference=reference_of(parts, rows, truth, probabilities, seed, drawn=drawn),
        extractor=extractor,
        check_embeddings=None if extractor is None else held_features[rows[:checked]],
        halves=halves.estimators,
        without_halves=halves.reason,
        pictures={
            "confusion.png": confusion_picture(metrics),
            "mistakes.png": mistakes_picture(held.pixels, truth, probabilities, labels, held.spec),
        },
        parent=parent,
        backend=backend,
    )
    trained_on = frozenset(image_digests(parts.train.pixels))
    return TrainingResult(
        candidate, metrics, searched, trained_on, images_of(parts), tuple(findings)
    )


def _circumstances(
    parts: Split, estimator: Any, features: NDArray[np.float32], *, given: bool
) -> Circumstances:
    rows = np.random.default_rng(0).permutation(len(features))[:LEARNED_IMAGES]
    learned = (estimator.predict(features[rows]) == parts.train.targets[rows]).mean()
    spec = parts.train.spec
    return Circumstances(
        parts.train.counts,
        float(learned),
        min(spec.width, spec.height),
        given,
        parts.train.groups is not None,
    )


def _built(chosen: Recipe, targets: NDArray[Any], seed: int, parameters: Mapping[str, Any]) -> Any:
    """An estimator of the recipe; raises RecipeError for parameters that it does not have."""
    estimator = chosen.build(seed, DataSize.of(targets))
    try:
        return estimator.set_params(**parameters)
    except ValueError as error:
        raise RecipeError(
            f"Recipe {chosen.name} does not take these parameters: {first_line(error)}."
        ) from error


def _parameters(chosen: Recipe, estimator: Any) -> dict[str, Any]:
    """The parameters that the recipe sets or that a search may vary, with their values."""
    plain = isinstance(chosen.build(0), CalibratedClassifierCV)
    if isinstance(estimator, CalibratedClassifierCV) and not plain:
        estimator = estimator.estimator
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
