"""Recipes for the embeddings of an extractor, as ``train.recipes`` are for pixels.

Embeddings are real numbers that a network has made comparable, so a linear classifier goes far:
Kornblith, Shlens and Le, Do Better ImageNet Models Transfer Better? (CVPR 2019). Classes of few
photos are rarely as frequent as in life, so each class counts the same. ``bench/photos.md`` has how
they compare.
"""

from typing import Any, Final

import numpy as np
from scipy.stats import loguniform
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer
from sklearn.svm import SVC

from train.data_size import DataSize

SUFFIX: Final = "-features"
NEIGHBORS: Final = 5
MAX_ROUNDS: Final = 300


def logistic(seed: int, _size: DataSize) -> Any:
    # Of length 1, and not standardized: of 5 photos a class, the deviation of a number is mostly
    # chance, and 64 % were right that way instead of 76 %. Beside them their roots, as power
    # normalization has them (Perronnin, Sánchez and Mensink, ECCV 2010): a network's few large
    # numbers are those of the background as often as of the thing. Alone, they are worse on white.
    roots = Pipeline([("cbrt", FunctionTransformer(np.cbrt)), ("normalizer", Normalizer())])
    both = FeatureUnion([("length", Normalizer()), ("roots", roots)])
    # The slope of the loss, which the tolerance bounds, is a thousandth where it begins, and less
    # of many classes.
    model = LogisticRegression(
        C=30, class_weight="balanced", max_iter=MAX_ROUNDS, tol=1e-5, random_state=seed
    )
    return Pipeline([("both", both), ("logistic", model)])


def svc(seed: int, _size: DataSize) -> Any:
    # Between unit vectors, the kernel is that of an angle.
    model = SVC(C=10, gamma="scale", class_weight="balanced", random_state=seed)
    return Pipeline([("normalizer", Normalizer()), ("svc", model)])


def knn(_seed: int, size: DataSize) -> Any:
    neighbors = KNeighborsClassifier(min(NEIGHBORS, size.images))
    return Pipeline([("normalizer", Normalizer()), ("knn", neighbors)])


def lda(_seed: int, _size: DataSize) -> Any:
    # A fixed share: that of Ledoit and Wolf costs a second for each class.
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)


# What a search may vary, and what is tried without being asked: the usual value first.
LOGISTIC_RANGES: Final = {"logistic__C": loguniform(0.3, 3000)}
LOGISTIC_GRID: Final = {"logistic__C": (30, 10, 100, 3, 300, 1000)}
SVC_RANGES: Final = {
    "estimator__svc__C": loguniform(0.3, 300),
    "estimator__svc__gamma": loguniform(0.1, 10),
}
SVC_GRID: Final = {"estimator__svc__C": (10.0, 1.0, 100.0)}
KNN_RANGES: Final = {"knn__n_neighbors": [1, 3, 5, 7, 9, 15]}
KNN_GRID: Final = {"knn__n_neighbors": (NEIGHBORS, 3, 1, 9)}
LDA_RANGES: Final = {"shrinkage": [0.05, 0.1, 0.2, 0.3, 0.5, 0.8]}
LDA_GRID: Final = {"shrinkage": (0.3, 0.1, 0.6)}
