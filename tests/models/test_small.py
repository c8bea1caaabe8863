import numpy as np

from images.spec import ImageSpec
from models.small import small_copies, small_spec


def test_blocks_are_means() -> None:
    spec = ImageSpec.parse("rgb-64x96:imagenet:chw")
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (3, spec.n_features), np.uint8)
    grid = pixels.reshape(3, 32, 3, 32, 2, 3).astype(np.float64)
    expected = np.rint(grid.mean(axis=(2, 4))).reshape(3, -1)
    found = small_copies(pixels, spec)
    assert small_spec(spec).name == "rgb-32x32"
    assert np.abs(found - expected).max() <= 1
    assert (found == expected).mean() > 0.99


def test_small_images_stay_as_they_are() -> None:
    spec = ImageSpec.parse("gray-8x8")
    pixels = np.arange(128, dtype=np.uint8).reshape(2, 64)
    np.testing.assert_array_equal(small_copies(pixels, spec), pixels)
