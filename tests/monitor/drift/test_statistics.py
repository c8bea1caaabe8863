"""Numbers by hand, by scipy.ndimage, and by Pillow."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from images.spec import ImageSpec
from monitor.drift import statistics


def one(rows: list[list[int]]) -> dict[str, float]:
    """The statistics of a gray image."""
    pixels = np.array(rows, np.uint8)
    spec = ImageSpec(mode="L", width=pixels.shape[1], height=pixels.shape[0])
    found = statistics.compute(pixels.reshape(1, -1), spec)[0]
    names = (statistic.name for statistic in statistics.of(spec))
    return dict(zip(names, found.tolist(), strict=True))


def noise(spec: ImageSpec, count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, spec.n_features), np.uint8)


def column(found: NDArray[np.float32], spec: ImageSpec, name: str) -> NDArray[np.float32]:
    return found[:, [statistic.name for statistic in statistics.of(spec)].index(name)]


def test_a_dot_by_hand() -> None:
    found = one([[0, 0, 0], [0, 90, 0], [0, 0, 0]])
    assert found["brightness"] == pytest.approx(10)
    assert found["contrast"] == pytest.approx(np.sqrt(800))
    assert found["horizontal variation"] == pytest.approx(30)
    assert found["vertical variation"] == pytest.approx(30)
    assert found["horizontal center"] == pytest.approx(0.5)
    assert found["vertical center"] == pytest.approx(0.5)
    assert found["extent"] == 0
    assert found["border brightness"] == 0


def test_the_variance_of_the_laplacian_by_hand() -> None:
    # It is -40 at the dot and 10 beside it.
    found = one([[0, 0, 0, 0], [0, 10, 0, 0], [0, 0, 0, 0]])
    assert found["sharpness"] == pytest.approx(625)


@pytest.mark.parametrize(
    ("rows", "slant"), [([[100, 0], [0, 100]], 1.0), ([[0, 100], [100, 0]], -1.0)]
)
def test_a_diagonal_is_slanted(rows: list[list[int]], slant: float) -> None:
    found = one(rows)
    assert found["slant"] == pytest.approx(slant, abs=1e-6)
    assert found["extent"] == pytest.approx(np.sqrt(2 * 0.25**2))


def test_a_black_image_is_in_the_middle() -> None:
    found = one([[0, 0], [0, 0]])
    assert (found["horizontal center"], found["vertical center"]) == (0.5, 0.5)


def test_the_border_counts_every_outer_pixel_once() -> None:
    found = one([[80, 0, 0], [0, 255, 0], [0, 0, 0]])
    assert found["border brightness"] == pytest.approx(10)


def test_sharpness_is_that_of_scipy() -> None:
    spec = ImageSpec.parse("gray-9x7")
    pixels = noise(spec, 5)
    images = pixels.reshape(-1, 7, 9).astype(np.float64)
    wanted = [ndimage.laplace(image)[1:-1, 1:-1].var() for image in images]
    found = column(statistics.compute(pixels, spec), spec, "sharpness")
    assert found == pytest.approx(np.array(wanted), rel=1e-5)


def test_centres_are_those_of_scipy() -> None:
    spec = ImageSpec.parse("gray-9x7")
    pixels = noise(spec, 5)
    centres = np.array([ndimage.center_of_mass(image) for image in pixels.reshape(-1, 7, 9)])
    found = statistics.compute(pixels, spec)
    assert column(found, spec, "vertical center") == pytest.approx((centres[:, 0] + 0.5) / 7)
    assert column(found, spec, "horizontal center") == pytest.approx((centres[:, 1] + 0.5) / 9)


def test_colour_by_hand() -> None:
    spec = ImageSpec.parse("rgb-2x2")
    found = statistics.compute(np.tile(np.array([200, 100, 50], np.uint8), 4)[None], spec)
    assert column(found, spec, "brightness")[0] == pytest.approx(124.2)
    assert column(found, spec, "colorfulness")[0] == 150
    assert column(found, spec, "warmth")[0] == 150


def test_blue_light_is_cold() -> None:
    spec = ImageSpec.parse("rgb-1x1")
    found = statistics.compute(np.array([[0, 0, 255]], np.uint8), spec)
    assert column(found, spec, "warmth")[0] == -255


def test_the_brightness_of_colours_is_pillows() -> None:
    spec = ImageSpec.parse("rgb-6x5")
    pixels = noise(spec, 4)
    wanted = [
        np.asarray(Image.fromarray(image).convert("L")).mean()
        for image in pixels.reshape(-1, 5, 6, 3)
    ]
    found = column(statistics.compute(pixels, spec), spec, "brightness")
    assert found == pytest.approx(np.array(wanted), abs=0.5)


@pytest.mark.parametrize("name", ["gray-1x1", "gray-1x5", "rgb-2x1", "digits", "rgb-64x64"])
def test_every_spec_has_finite_numbers(name: str) -> None:
    spec = ImageSpec.parse(name)
    found = statistics.compute(noise(spec, 3), spec)
    assert found.shape == (3, len(statistics.of(spec)))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_many_images_are_as_each_alone() -> None:
    spec = ImageSpec.parse("rgb-5x4")
    pixels = noise(spec, 600)
    alone = np.concatenate([statistics.compute(image[None], spec) for image in pixels])
    assert statistics.compute(pixels, spec) == pytest.approx(alone, rel=1e-4, abs=1e-4)


def test_no_images_have_no_statistics() -> None:
    spec = ImageSpec.parse("digits")
    assert statistics.compute(noise(spec, 0), spec).shape == (0, 10)
