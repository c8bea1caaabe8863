"""The reference of a new version: what the monitor will compare production with."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.image_list import Side
from models.offline.comparison import image_digests
from models.pixels import joined, taken
from models.reference import DIGEST_BYTES, Reference
from models.small import small_copies
from models.training_images import TrainingSet
from train.components import principal_components
from train.dataset import Split
from train.nearest import nearest

REFERENCE_IMAGES: Final = 5_000
REFERENCE_PHOTOS: Final = 3_000
"""With embeddings of 1,280 numbers and small copies, 17 MB."""
_LARGEST: Final = 65_504.0  # of float16


def reference_rows(parts: Split, seed: int) -> NDArray[np.int64]:
    """int64 [n]: the held-out images that are kept, in random order, so that the first rows are not
    all of the first class."""
    most = REFERENCE_IMAGES if parts.holdout.embeddings is None else REFERENCE_PHOTOS
    return np.random.default_rng(seed).permutation(len(parts.holdout))[:most]


def reference_of(
    parts: Split,
    rows: NDArray[np.int64],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    seed: int,
    *,
    drawn: bool,
) -> Reference:
    """Of the held-out ``rows``, with their true labels, int64 [N], and predictions, floats [N, C].

    Of photos it has small copies, and embeddings. ``drawn``: whether the holdout was drawn at
    random.
    """
    held = parts.holdout
    with threadpool_limits(1, user_api="blas"):
        mean, components = principal_components(parts.train.features(), seed)
    common: dict[str, Any] = {
        "labels": truth[rows],
        "probabilities": probabilities[rows].astype(np.float32),
        "pca_mean": mean,
        "pca_components": components,
        "sizes": parts.train.sizes,
    }
    if held.embeddings is None:
        neighbours, near = nearest(parts, rows, seed, drawn=drawn)
        return Reference(held.pixels[rows], neighbours=neighbours, nearest=near, **common)
    kept = taken(held.pixels, rows)
    digests = b"".join(image_digests(kept))
    everything = np.concatenate([parts.train.targets, held.targets])
    counts = [(everything == label).sum() for label in parts.train.labels]
    return Reference(
        small_copies(kept, held.spec),
        embeddings=np.clip(held.embeddings[rows], -_LARGEST, _LARGEST).astype(np.float16),
        digests=np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES),
        drawn_from=np.array(counts, np.int64) if drawn else None,
        **common,
    )


def images_of(parts: Split) -> TrainingSet:
    """What is kept of both parts, those that are trained on first."""
    sides: tuple[Side, Side] = ("train", "holdout")
    both = (parts.train, parts.holdout)
    groups = [[""] * len(part) if part.groups is None else part.groups for part in both]
    return TrainingSet(
        spec=parts.train.spec,
        pixels=joined([part.pixels for part in both]),
        labels=tuple(label for part in both for label in part.targets.tolist()),
        sides=tuple(side for side, part in zip(sides, both, strict=True) for _ in range(len(part))),
        files=tuple(file for part in both for file in part.files or (None,) * len(part)),
        groups=tuple(str(group) for part in groups for group in part),
    )
