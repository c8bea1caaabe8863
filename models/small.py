"""Small copies of photos, of which a version keeps many: the monitor compares them.

A photo at the size that an extractor takes has 150 KB, and a reference of thousands would be larger
than everything else of its version together. What the monitor asks of pixels (light, color, blur,
near-duplicates) 32 x 32 blocks tell: Torralba, Fergus and Freeman, 80 million tiny images (PAMI 30,
2008). What tells one photo's content from another's are embeddings, which are kept beside.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.pixels import Pixels

SIDE: Final = 32
_CHUNK: Final = 64


def small_spec(spec: ImageSpec) -> ImageSpec:
    """What describes the small copies: mode and sides, without what a network needs."""
    return ImageSpec(mode=spec.mode, width=min(spec.width, SIDE), height=min(spec.height, SIDE))


def small_copies(pixels: Pixels, spec: ImageSpec) -> NDArray[np.uint8]:
    """uint8 [N, G] of uint8 [N, F] in the size of ``spec``: the mean of each block and channel."""
    small = small_spec(spec)
    rows, columns = _edges(spec.height, small.height), _edges(spec.width, small.width)
    high, wide = np.diff(rows, append=spec.height), np.diff(columns, append=spec.width)
    sizes = np.outer(high, wide)[None, :, :, None]
    found = np.empty((len(pixels), small.n_features), np.uint8)
    for start in range(0, len(pixels), _CHUNK):
        chunk = pixels[start : start + _CHUNK]
        grid = chunk.reshape(len(chunk), spec.height, spec.width, spec.channels)
        sums = np.add.reduceat(grid, rows, axis=1, dtype=np.uint32)
        sums = np.add.reduceat(sums, columns, axis=2)
        found[start : start + len(chunk)] = np.rint(sums / sizes).reshape(len(chunk), -1)
    return found


def _edges(side: int, count: int) -> NDArray[np.intp]:
    """Where the blocks begin."""
    return np.arange(count) * side // count
