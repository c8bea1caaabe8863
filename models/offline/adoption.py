"""Makes a candidate of a classifier that somebody else trained."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

from errors import ConversionError
from images.spec import ImageSpec
from models.offline.candidate import Candidate

PROBES = 400


def adopt(
    estimator: Any, name: str, spec: ImageSpec, backend: Literal["onnx", "sklearn"] = "onnx"
) -> Candidate:
    """A candidate that will be checked on images made for the purpose.

    Nothing is known of the data it was trained on, so it comes without metrics and without a
    reference. Raises ConversionError if it takes another number of features than the spec gives.
    """
    expected = int(estimator.n_features_in_)
    if expected != spec.n_features:
        raise ConversionError(
            f"The classifier takes {expected} features, and image spec {spec.name} gives "
            f"{spec.n_features}: name the spec it was trained with."
        )
    return Candidate(
        name=name,
        estimator=estimator,
        spec=spec,
        check_pixels=probes(spec),
        parameters=_plain(estimator.get_params(deep=False)),
        backend=backend,
    )


def probes(spec: ImageSpec, seed: int = 0) -> NDArray[np.uint8]:
    """Images to try a classifier on, uint8 [N, n_features]: smooth random ones, and for the spec
    ``digits`` the digits that scikit-learn brings along."""
    generator = np.random.default_rng(seed)
    size = (spec.width, spec.height)
    rows = []
    for _ in range(PROBES):
        coarse = generator.integers(0, 256, (4, 4, spec.channels), np.uint8).squeeze()
        smooth = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        contrast = generator.uniform(0.2, 1.0)
        rows.append((np.asarray(smooth, np.float64) * contrast).astype(np.uint8).ravel())
    smooth_ones = np.stack(rows)
    if spec != ImageSpec.parse("digits"):
        return smooth_ones
    ink = load_digits().data[:PROBES]
    digits = np.rint(ink / 16 * 255).astype(np.uint8)
    return np.concatenate([digits, smooth_ones])


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that JSON can hold; of others, their text."""
    kinds = (str, int, float, bool, type(None))
    return {
        name: value if isinstance(value, kinds) else repr(value)
        for name, value in sorted(parameters.items())
    }
