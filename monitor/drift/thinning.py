"""From the recorded images to a sample of the traffic.

The recorder keeps uncertain and rejected images more often than others. Tests that count every
image once would take that for drift, so images are dropped at random until the rest represents the
traffic.
"""

import numpy as np
from numpy.typing import NDArray

TRIMMED = 0.01
"""The proportion of the total weight that may be cut off the heaviest images."""


def thin(
    count: int, weights: NDArray[np.floating] | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """int64 [m], rows of ``count`` images, in order: a sample in which every image of the traffic
    is equally likely.

    ``weights``: positive floats [count], 1 / the probability with which an image was recorded; None
    keeps all. Each is kept with a probability in proportion to its weight (rejection sampling: von
    Neumann, Various techniques used in connection with random digits, 1951). A few images with a
    large weight would leave few of the others, so the heaviest are cut to a common weight that
    removes 1% of the total: no proportion of the images differs from the traffic's by more.
    Raises ValueError for weights that are not positive numbers, one for each image.
    """
    if weights is None:
        return np.arange(count)
    values = np.asarray(weights, dtype=np.float64)
    if len(values) != count or not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"weights must be {count} positive numbers")
    if count == 0:
        return np.arange(0)
    kept = rng.random(count) * _ceiling(values) < values
    return np.flatnonzero(kept)


def _ceiling(values: NDArray[np.float64]) -> float:
    """The weight to which the heaviest are cut: the lowest that cuts off at most 1% in total."""
    ordered = np.sort(values)[::-1]
    heavier = np.arange(len(ordered))
    # If cut to the k-th heaviest, those before it lose this much in total.
    lost = np.cumsum(ordered) - ordered - heavier * ordered
    allowed = TRIMMED * ordered.sum()
    last = int(np.searchsorted(lost, allowed, side="right")) - 1
    # The rest of what may be lost is divided among all down to that one.
    return float(ordered[last] - (allowed - lost[last]) / (last + 1))
