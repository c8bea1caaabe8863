"""How unlike the training images others are that a version was not trained on."""

import numpy as np
from numpy.typing import NDArray

from models.neighbours import NEIGHBOURS, Neighbours
from train.dataset import Split


def nearest(
    parts: Split, rows: NDArray[np.int64], seed: int, *, drawn: bool
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """``neighbours`` and ``nearest`` of ``models.reference.Reference``, of the held-out ``rows``.

    A fifth of the images says little about the one in two hundred that is the strangest. If the
    holdout was ``drawn`` at random from the same images, the training images say the same, each
    compared with the others: jackknife+ and leave-one-out distances in conformal prediction, Barber
    et al., Annals of Statistics 49 (2021), pages 486 to 507. If it was not, they would not.
    """
    images = parts.train
    kept = np.sort(np.random.default_rng([seed, 4]).permutation(len(images))[:NEIGHBOURS])
    neighbours = Neighbours.of(images.pixels[kept], images.spec)
    held = neighbours.distances(parts.holdout.pixels[rows])
    if not drawn:
        return neighbours.small, held
    groups = None if images.groups is None else images.groups[kept]
    among = neighbours.among(images.pixels[kept], groups)
    return neighbours.small, np.concatenate([held, among[np.isfinite(among)]])
