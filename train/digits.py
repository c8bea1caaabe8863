"""scikit-learn's handwritten digits as a dataset."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from images.decoding import read_pixels
from images.spec import ImageSpec
from train.dataset import Dataset, OnProgress

_MAX_INK = 16


def load_digits(spec: ImageSpec, on_progress: OnProgress | None = None) -> Dataset:
    """The 1,797 digits, each encoded as a PNG and decoded as serving does.

    With the spec ``digits`` the features are the original ink values, 0 to 16.
    """
    from sklearn import datasets

    digits = datasets.load_digits()
    images = np.rint(digits.images / _MAX_INK * 255).astype(np.uint8)
    pixels = np.empty((len(images), spec.n_features), dtype=np.uint8)
    for row, image in enumerate(images):
        pixels[row] = read_pixels(_png(image), spec)
        if on_progress:
            on_progress(row + 1, len(images))
    height, width = digits.images.shape[1:]
    sizes = np.tile(np.array([width, height], dtype=np.int64), (len(images), 1))
    return Dataset(pixels, digits.target.astype(np.int64), "digits", spec, sizes=sizes)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
