"""On which side of the split an image stands: trained on, or held out."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from models.offline.likeness import Likeness
from models.pixels import Pixels, taken
from pipeline.production import Sample

Place = Literal["train", "holdout", "neither"]


def held_out(digest: str, share: float) -> bool:
    """Whether an image, by the SHA-256 of its pixels, is in the proportion that is held out: the
    same image always is, or never."""
    return int(digest[:12], 16) < share * 16**12


def places(
    samples: Sequence[Sample],
    pixels: Pixels,
    trained: Pixels,
    likeness: Likeness,
    share: float,
) -> list[Place]:
    """Where the samples stand, from the oldest to the newest; ``pixels``, uint8 [N, F], are theirs.

    Only images drawn at random are held out, by the hash of their pixels. One that is nearly an
    earlier one stands where that does, and one that is nearly one of ``trained``, uint8 [M, F],
    cannot be held out; so the side of an image does not depend on those that come later. What is
    nearly a held-out image is never trained on.
    """
    near_trained = likeness.among(pixels, trained)
    earlier = likeness.earlier(pixels)
    found: list[Place] = []
    for row, sample in enumerate(samples):
        before = found[earlier[row]] if earlier[row] >= 0 else "neither"
        if near_trained[row] or before == "train":
            found.append("train")
        elif before == "holdout":
            found.append("holdout" if sample.random else "neither")
        else:
            held = sample.random and held_out(sample.digest, share)
            found.append("holdout" if held else "train")
    held_rows = np.array([place == "holdout" for place in found], dtype=bool)
    close = likeness.among(pixels, taken(pixels, np.flatnonzero(held_rows)))
    return [
        "neither" if place == "train" and near else place
        for place, near in zip(found, close, strict=True)
    ]
