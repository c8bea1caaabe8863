"""Copies of training photos as they might also have been taken: mirrored, cropped, recolored.

Simonyan and Zisserman, Very Deep Convolutional Networks (ICLR 2015), section 3.1; the extractor
stays as it is, so each copy costs one embedding.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from images.spec import ImageSpec
from models.embedding_cache import EmbeddingCache
from models.extractor import Extractor
from models.offline.embeddings import embeddings_of
from train.dataset import Dataset, OnProgress

COPIES: Final = 4
"""Of each photo."""
LEAST_AREA: Final = 0.6
_LIGHT: Final = (0.75, 1.25)
_CHUNK: Final = 128


@dataclass(frozen=True, eq=False)
class Variants:
    """``embeddings``: float32 [M, D] of copies; ``rows``: int64 [M], of which photo each is."""

    embeddings: NDArray[np.float32]
    rows: NDArray[np.int64]


def variants_of(
    train: Dataset,
    extractor: Extractor,
    seed: int,
    on_progress: OnProgress | None = None,
    cache: EmbeddingCache | None = None,
) -> Variants:
    """``COPIES`` of each photo to train on. The same seed gives the same."""
    cache = cache or EmbeddingCache(extractor)
    notify = on_progress or (lambda _done, _total: None)
    found = []
    for start in range(0, len(train), _CHUNK):
        part = train.pixels[start : start + _CHUNK]
        copies = np.concatenate(
            [
                varied(image, train.spec, np.random.default_rng([seed, 7, start + place]))
                for place, image in enumerate(part)
            ]
        )
        found.append(embeddings_of(copies, extractor, cache))
        notify(start + len(part), len(train))
    rows = np.repeat(np.arange(len(train)), COPIES)
    return Variants(np.concatenate(found), rows)


def varied(
    pixels: NDArray[np.uint8], spec: ImageSpec, random: np.random.Generator
) -> NDArray[np.uint8]:
    """uint8 [COPIES, F] of one image, uint8 [F]; the first is only mirrored."""
    shape = (spec.height, spec.width) if spec.channels == 1 else (spec.height, spec.width, 3)
    image = Image.fromarray(pixels.reshape(shape))
    copies = [ImageOps.mirror(image)]
    for _ in range(COPIES - 1):
        share = float(np.sqrt(random.uniform(LEAST_AREA, 1)))
        width, height = max(1, round(share * spec.width)), max(1, round(share * spec.height))
        left = int(random.integers(0, spec.width - width + 1))
        top = int(random.integers(0, spec.height - height + 1))
        copy = image.crop((left, top, left + width, top + height))
        copy = copy.resize(image.size, Image.Resampling.BICUBIC)
        if random.random() < 0.5:
            copy = ImageOps.mirror(copy)
        for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            copy = change(copy).enhance(float(random.uniform(*_LIGHT)))
        copies.append(copy)
    return np.stack([np.asarray(copy, np.uint8).reshape(-1) for copy in copies])


def with_variants(train: Dataset, variants: Variants) -> Dataset:
    """What is fitted: the photos and their copies, each with its copies in one group. It has no
    pixels."""
    rows = np.concatenate([np.arange(len(train)), variants.rows])
    groups = train.groups if train.groups is not None else np.arange(len(train)).astype(np.str_)
    return replace(
        Dataset(np.empty((len(rows), 0), np.uint8), train.targets[rows], train.name, train.spec),
        groups=groups[rows],
        embeddings=np.concatenate([train.features(), variants.embeddings]),
    )
