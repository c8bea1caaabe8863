"""Makes a candidate of a classifier that was trained elsewhere."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline

from errors import ConversionError
from images.spec import ImageSpec
from models.manifest import Label
from models.offline.candidate import Candidate

PROBES = 400


def adopt(
    estimator: Any,
    name: str,
    spec: ImageSpec,
    backend: Literal["onnx", "sklearn"] = "onnx",
    labels: tuple[Label, ...] | None = None,
) -> Candidate:
    """A candidate that will be checked on generated images.

    Its training data is unknown, so it has neither metrics nor a reference. Of a search, the
    estimator that it found is kept. ``labels``: as an encoder has them. Raises ConversionError
    if it expects another number of features than the spec gives.
    """
    estimator = found_by_search(estimator)
    expected = int(estimator.n_features_in_)
    if expected != spec.n_features:
        raise ConversionError(
            f"The classifier expects {expected} features, but image spec {spec.name} gives "
            f"{spec.n_features}; choose the spec that it was trained with."
        )
    return Candidate(
        name=name,
        estimator=estimator,
        spec=spec,
        check_pixels=probes(spec),
        parameters=_plain(_parameters(estimator)),
        backend=backend,
        labels=labels,
    )


def found_by_search(estimator: Any) -> Any:
    """What answers for a search, at the end of a pipeline too; others are returned as they are."""
    if hasattr(estimator, "best_estimator_"):
        return found_by_search(estimator.best_estimator_)
    if type(estimator) is not Pipeline:
        return estimator
    name, last = estimator.steps[-1]
    found = found_by_search(last)
    return estimator if found is last else Pipeline([*estimator.steps[:-1], (name, found)])


def probes(spec: ImageSpec, seed: int = 0) -> NDArray[np.uint8]:
    """Images to check a classifier on, uint8 [N, n_features]: smooth random ones, preceded by
    scikit-learn's digits for the spec ``digits``."""
    generator = np.random.default_rng(seed)
    size = (spec.width, spec.height)
    rows = []
    for _ in range(PROBES):
        coarse = generator.integers(0, 256, (4, 4, spec.channels), np.uint8).squeeze()
        smooth = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        contrast = generator.uniform(0.2, 1.0)
        rows.append((np.asarray(smooth, np.float64) * contrast).astype(np.uint8).ravel())
    random_images = np.stack(rows)
    if spec != ImageSpec.parse("digits"):
        return random_images
    ink = load_digits().data[:PROBES]
    digits = np.rint(ink / 16 * 255).astype(np.uint8)
    return np.concatenate([digits, random_images])


def _parameters(estimator: Any) -> dict[str, Any]:
    """What it was made with; of one that an older release saved, what it has of them."""
    try:
        return dict(estimator.get_params(deep=False))
    except AttributeError:
        kept = vars(estimator).items()
        return {name: value for name, value in kept if name.strip("_") == name}


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters as JSON has them: those of other types by their ``repr``."""
    json_types = (str, int, float, bool, type(None))
    return {
        name: value if isinstance(value, json_types) else _shown(value)
        for name, value in sorted(parameters.items())
    }


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except AttributeError:
        # An estimator that an older release saved may lack what it would show.
        if isinstance(value, list | tuple):
            return f"({', '.join(map(_shown, value))})"
        return type(value).__name__
