import base64
import io

import numpy as np
import pytest
from PIL import Image

from images.spec import ImageSpec
from monitor.report.tiles import picture_url


def opened(url: str) -> Image.Image:
    kind, _, content = url.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        ("digits", (96, 96)),
        ("rgb-64x64", (64, 64)),
        ("gray-20x40", (40, 80)),
        ("rgb-400x200", (192, 96)),
    ],
)
def test_small_images_are_enlarged_and_large_ones_shrunk(spec: str, size: tuple[int, int]) -> None:
    parsed = ImageSpec.parse(spec)
    assert opened(picture_url(np.zeros(parsed.n_features, np.uint8), parsed)).size == size


def test_a_pixel_becomes_a_square_of_its_colour() -> None:
    spec = ImageSpec.parse("rgb-2x1")
    picture = opened(picture_url(np.array([255, 0, 0, 0, 0, 255], np.uint8), spec))
    colours = np.asarray(picture)
    assert colours.shape == (48, 96, 3)
    assert (colours[:, :48] == (255, 0, 0)).all()
    assert (colours[:, 48:] == (0, 0, 255)).all()
