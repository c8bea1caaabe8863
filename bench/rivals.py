"""What else is used to find drift, for comparison on the same windows.

Each says whether it calls the window changed, with 5 % of false alarms asked for.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp, wasserstein_distance

from monitor.drift.columns import Columns
from monitor.drift.views import outputs

ALPHA = 0.05
COLUMNS = 128
"""Pixels that are looked at one by one, evenly spaced where an image has more: all of a digit's."""
PERMUTATIONS = 200
PAIRED = 1_000_000
"""Values of reference images for the MMD at the most: 1,000 large images take a second."""


def bbsds(old: Columns, new: Columns) -> bool:
    """Kolmogorov-Smirnov on the softmax outputs alone (Rabanser et al. 2019)."""
    labels = tuple(range(old.outputs.shape[1]))
    return outputs(old, new, labels).p_value < ALPHA


def pixel_ks(old: NDArray[np.uint8], new: NDArray[np.uint8]) -> bool:
    """Kolmogorov-Smirnov on each pixel, by Bonferroni."""
    chosen = _some(old.shape[1])
    p_values = np.asarray(ks_2samp(new[:, chosen], old[:, chosen], method="asymp", axis=0).pvalue)
    return bool(p_values.min() * len(chosen) < ALPHA)


def mmd(old: NDArray[np.uint8], new: NDArray[np.uint8], rng: np.random.Generator) -> bool:
    """Maximum mean discrepancy with a Gaussian kernel of the median distance, by permutations:
    Gretton et al., A kernel two-sample test, JMLR 13 (2012)."""
    most = min(1000, max(400, PAIRED // old.shape[1]))
    both = np.concatenate([new, old[:most]]).astype(np.float32)
    size, whole = len(new), len(both)
    squared = _squared(both)
    kernel = np.exp(-squared / np.median(squared))
    signs = np.full((whole, PERMUTATIONS + 1), -1 / (whole - size), np.float32)
    signs[:size, 0] = 1 / size
    for column in range(1, PERMUTATIONS + 1):
        signs[rng.permutation(whole)[:size], column] = 1 / size
    found = np.einsum("ij,ij->j", signs, kernel @ signs)
    p_value = (1 + int((found[1:] >= found[0]).sum())) / (1 + PERMUTATIONS)
    return p_value < ALPHA


def evidently(old: NDArray[np.uint8], new: NDArray[np.uint8]) -> bool:
    """The default rule of Evidently on the pixels, as its documentation has it: a column with up to
    1,000 reference rows drifts if Kolmogorov-Smirnov (chi-square, if it has at most five values)
    gives p < 0.05, one with more if the Wasserstein distance over the reference's standard
    deviation (the Jensen-Shannon distance) is 0.1 or more; and the data, if half of the columns do.
    https://docs-old.evidentlyai.com/reference/data-drift-algorithm
    """
    chosen = _some(old.shape[1])
    return bool(np.mean([_drifts(old[:, place], new[:, place]) for place in chosen]) >= 0.5)


def _drifts(old: NDArray[np.uint8], new: NDArray[np.uint8]) -> bool:
    few = len(np.unique(old)) <= 5
    if not few and len(old) > 1000:
        return bool(wasserstein_distance(old, new) / max(float(old.std()), 0.001) >= 0.1)
    if not few:
        return bool(ks_2samp(old, new, method="asymp").pvalue < ALPHA)
    values = np.unique(np.concatenate([old, new]))
    counts = np.stack([(one[:, None] == values).sum(axis=0) for one in (old, new)])
    if len(old) > 1000:
        return bool(jensenshannon(counts[0], counts[1], base=2) >= 0.1)
    return len(values) > 1 and float(chi2_contingency(counts, correction=False).pvalue) < ALPHA


def _squared(both: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distances by one matrix product: cdist takes seconds for large images."""
    lengths = np.einsum("ij,ij->i", both, both)
    squared = lengths[:, None] + lengths - 2 * both @ both.T
    np.fill_diagonal(squared, 0)
    return np.asarray(np.maximum(squared, 0))


def _some(features: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, features - 1, min(features, COLUMNS)).astype(np.int64))
