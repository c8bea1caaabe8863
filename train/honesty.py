"""What makes a trained version honest: its calibration, and what it is judged by."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import ConversionError
from images.spec import ImageSpec
from models.abstaining import check_abstention
from models.coverage import Coverage
from models.familiarity import Familiarity
from models.honest import Honest
from models.offline.conversion import convert
from train.calibration import Calibrated, calibrate
from train.dataset import Dataset
from train.recipes import Recipe


def servable(
    chosen: Recipe, base: Any, train: Dataset, features: NDArray[np.float32], seed: int
) -> Calibrated | None:
    """The fitted ``base`` with calibrated probabilities, if these can be found and served.

    ``features``: float32 [N, F], what it was fitted to.
    """
    found = calibrate(base, features, train.targets, train.groups, seed, chosen.calibration_folds)
    if found is not None and hasattr(base, "predict_proba"):
        try:
            convert(found.estimator, features.shape[1])
        except ConversionError:
            return None
    return found


def judging(
    trained: NDArray[np.float32],
    held: NDArray[np.float32],
    probabilities: NDArray[np.floating],
    truth: NDArray[np.int64],
    spec: ImageSpec | None,
    seed: int,
) -> Honest:
    """What prediction sets and known images are judged by.

    ``trained`` and ``held``: float32 [N, F] and [M, F], what the classifier takes of the images
    that it was trained on, and of those held out, in random order; ``probabilities``: [M, C], what
    it gives the latter; ``truth``: int64 [M], indices of their labels; ``spec``: None for
    embeddings.
    """
    return Honest(
        Coverage.of(probabilities.astype(np.float32), truth),
        Familiarity.of(trained, held, spec, seed),
    )


def may_abstain(honest: Honest, who: str, coverage: float | None) -> None:
    """Raises ModelError if so few images were held out that they do not state the coverage by which
    a version is to abstain; None: it never does."""
    if coverage is not None:
        check_abstention(who, honest.record, coverage)
