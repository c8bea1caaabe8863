"""Negatives: images with light and dark swapped, told from those that are only dark or pale."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.offline.likeness import thumbnails

CLOSER: Final = 0.64
"""How much closer to the reference the negative of a negative is than the image itself."""
_CLOSER_THAN_SWAPPED: Final = 0.8
_FLAT: Final = 1e-6


def is_negative(
    pixels: NDArray[np.uint8], known: NDArray[np.uint8], spec: ImageSpec
) -> NDArray[np.bool_]:
    """bool [N]: whether the negative is like images of ``known``, and clearly more so than the
    image itself, or the image with red and blue swapped: both uint8, [N, F] and [M, F].

    Thumbnails are correlated, so that brightness and contrast do not count: by the difference of
    their values, of photos at a tenth of their brightness 92 % were called negatives, and of pale
    digits all.

    Measured with half of the images as the reference. Found: all the inverted digits, 93 % of
    photos of things on white, 60 % of those with a background, 67 % of the drawn shapes; of gray
    photos with a background 12 %, where nothing tells light from dark. False: 2 % at most of all
    these sets, made dark, bright, pale, low in contrast, blurred or noisy, but for 4 % of shapes
    so bright that most of them is white; 12 % of shapes and 5 % of photos whose colors became gray.
    """
    if not len(pixels):
        return np.zeros(0, dtype=bool)
    small, others = _normalized(pixels, spec), _normalized(known, spec)
    half = len(others) // 2
    # What is like nothing in the reference is no negative either.
    usual = float(_distance(others[:half] @ others[half:].T).max())
    likeness = small @ others.T
    own, negative = _distance(likeness), _distance(-likeness)
    found = (negative <= CLOSER * own) & (negative <= usual)
    if spec.channels == 3:
        swapped = pixels.reshape(len(pixels), -1, 3)[..., ::-1].reshape(pixels.shape)
        others_swapped = _distance(_normalized(swapped, spec) @ others.T)
        found &= negative <= _CLOSER_THAN_SWAPPED * others_swapped
    return np.asarray(found)


def _normalized(pixels: NDArray[np.uint8], spec: ImageSpec) -> NDArray[np.float32]:
    """float32 [N, T]: thumbnails without their mean, of length 1; zeros of a single tone."""
    small = thumbnails(pixels, spec)
    small = small - small.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(small, axis=1, keepdims=True)
    return np.asarray(small / np.maximum(lengths, _FLAT), np.float32)


def _distance(correlations: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [N]: from 0 to 2, that to the nearest."""
    return np.asarray(1 - correlations.max(axis=1))
