"""From the images that were recorded to images as they came.

The recorder keeps unsure and rejected images more often than others. Tests that count every image
once would take that for drift, so images are dropped again until what is left is as traffic was.
"""

import numpy as np
from numpy.typing import NDArray

TRIMMED = 0.01
"""Of the weight of all images, what may be cut off the heaviest."""


def thin(
    count: int, weights: NDArray[np.floating] | None, rng: np.random.Generator
) -> NDArray[np.int64]:
    """int64 [m], rows of ``count`` images, in order: a sample in which each image of the traffic
    is as likely as any other.

    ``weights``: positive floats [count], 1 / the probability with which an image was recorded; None
    keeps all. Each is kept with a probability in proportion to its weight (rejection sampling: von
    Neumann, Various techniques used in connection with random digits, 1951). A few images with a
    large weight would leave few of the others, so the heaviest are cut to a common weight that
    takes away 1 % of the whole: no share of the images is further than that from the traffic's.
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
    """The weight to which the heaviest are cut: the least for which all that is cut off is 1 %."""
    ordered = np.sort(values)[::-1]
    heavier = np.arange(len(ordered))
    # Cut down to the k-th heaviest, those before it lose this much together.
    lost = np.cumsum(ordered) - ordered - heavier * ordered
    allowed = TRIMMED * ordered.sum()
    place = int(np.searchsorted(lost, allowed, side="right")) - 1
    # From there on down, by what is left to lose, shared by all that are heavier.
    return float(ordered[place] - (allowed - lost[place]) / (place + 1))
