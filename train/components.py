"""The principal components of the training data, which the monitor projects production on."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from models.reference import COMPONENTS

COMPONENT_IMAGES = 5_000
"""The analysis uses at most this many of the training images."""


def principal_components(
    features: NDArray[np.float32], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean float32 [F] and up to 20 components float32 [K, F] of ``features``, float32 [N, F].

    scikit-learn's PCA, of up to 5,000 of the images.
    """
    rows = np.sort(np.random.default_rng([seed, 3]).permutation(len(features))[:COMPONENT_IMAGES])
    count = min(COMPONENTS, len(rows), features.shape[1])
    analysis = PCA(count, random_state=seed).fit(features[rows])
    return analysis.mean_.astype(np.float32), analysis.components_.astype(np.float32)
