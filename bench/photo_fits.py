"""Ways to classify embeddings: those of Pupila, and those of a notebook."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC

from train.calibration import bare
from train.data_size import DataSize
from train.recipes import recipe
from train.tuning import tuned

Fit = Callable[[NDArray[np.float32], NDArray[Any], int], Any]
"""Of features, float32 [N, F], labels, [N], and a seed: a fitted classifier."""

PLAIN: Final[Mapping[str, Callable[[], Any]]] = {
    "LogisticRegression()": lambda: LogisticRegression(max_iter=1000),
    "StandardScaler, LogisticRegression": lambda: make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "StandardScaler, SVC": lambda: make_pipeline(StandardScaler(), SVC()),
    "Normalizer, SVC(C=10)": lambda: make_pipeline(Normalizer(), SVC(C=10)),
    "KNeighborsClassifier()": KNeighborsClassifier,
    "LinearDiscriminantAnalysis, shrunk": lambda: LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=0.3
    ),
}


def by_recipe(name: str, parameters: Mapping[str, Any] | None = None) -> Fit:
    """As a training does it; the calibration changes no label, and is left out."""
    chosen = recipe(name)

    def fit(features: NDArray[np.float32], targets: NDArray[Any], seed: int) -> Any:
        found = tuned(chosen, features, targets, None, seed, lambda _done, _total: None)
        built = chosen.build(seed, DataSize.of(targets)).set_params(**(parameters or {}), **found)
        return bare(built).fit(features, targets)

    return fit


def plain(make: Callable[[], Any]) -> Fit:
    return lambda features, targets, _seed: make().fit(features, targets)
