"""Which images are trained on when there are more than a retraining may have."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from pipeline.production import Sample

_NEWEST = 2


def sample(samples: Sequence[Sample], limit: int, seed: int) -> set[int]:
    """The rows of at most ``limit`` samples: balanced between classes, the newest first, by weight.

    Classes take turns, so a rare one keeps all of its images. Of each class, the newest twice as
    many as it gets are drawn from with probabilities that grow with their weight, 1 / the
    probability of having been recorded: images that were recorded because the champion was unsure
    of them would otherwise be too many (Efraimidis and Spirakis, Weighted random sampling with a
    reservoir, Information Processing Letters 97, 2006).
    """
    by_class: dict[object, list[int]] = defaultdict(list)
    for row, one in enumerate(samples):
        by_class[(type(one.label).__name__, one.label)].append(row)
    shares = _shares({label: len(rows) for label, rows in by_class.items()}, limit)
    rng = np.random.default_rng(seed)
    chosen: set[int] = set()
    for label, rows in by_class.items():
        newest = sorted(rows, key=lambda row: samples[row].at, reverse=True)
        among = newest[: _NEWEST * shares[label]]
        weights = np.array([samples[row].weight for row in among])
        keys = rng.random(len(among)) ** (1 / weights)
        chosen |= {among[index] for index in np.argsort(-keys)[: shares[label]]}
    return chosen


def _shares(counts: dict[object, int], limit: int) -> dict[object, int]:
    """How many of each class: the same for all, but no more than there are."""
    shares = dict.fromkeys(counts, 0)
    left = limit
    for done, label in enumerate(sorted(counts, key=lambda one: counts[one])):
        shares[label] = min(counts[label], left // (len(counts) - done))
        left -= shares[label]
    return shares
