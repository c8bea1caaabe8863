"""A large image is taken in strips, with the bytes that Pillow gives for the whole."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from images.rendering import render
from images.spec import ImageSpec
from tests.images.encoded import noise

WHOLE = 10**9
MODES = (
    "1",
    "L",
    "LA",
    "P",
    "RGB",
    "RGBA",
    "RGBX",
    "CMYK",
    "I;16",
    "P clear",
    "L clear",
    "RGB clear",
)


def image_of(mode: str, width: int, height: int, seed: int) -> Image.Image:
    if mode == "I;16":
        values = np.random.default_rng(seed).integers(0, 65536, (height, width), dtype=np.uint16)
        return Image.fromarray(values)
    name, _, clear = mode.partition(" ")
    color = noise(height, width, 4, seed=seed)
    if name == "RGBX":
        return Image.frombuffer("RGBX", color.size, color.tobytes(), "raw", "RGBX", 0, 1)
    image = color if name in ("RGBA", "LA") else color.convert("RGB")
    image = image.convert(name)
    if clear:
        first: Any = image.getpixel((0, 0))
        image.info["transparency"] = first
    return image


@settings(max_examples=300, deadline=None)
@given(
    mode=st.sampled_from(MODES),
    width=st.integers(1, 50),
    height=st.integers(1, 50),
    seed=st.integers(0, 2**32 - 1),
    orientation=st.integers(1, 8),
    spec=st.sampled_from(["gray-7x9", "rgb-7x9", "rgb-60x3", "gray-50x60"]),
    resize=st.sampled_from(["nearest", "box", "bilinear", "bicubic", "lanczos"]),
    strip=st.integers(1, 400),
    band=st.sampled_from([1, WHOLE]),
)
def test_strips_give_what_the_whole_gives(
    mode: str,
    width: int,
    height: int,
    seed: int,
    orientation: int,
    spec: str,
    resize: Any,
    strip: int,
    band: int,
) -> None:
    target = ImageSpec.parse(spec).model_copy(update={"resize": resize})
    image = image_of(mode, width, height, seed)
    whole = render(image.copy(), target, orientation, strip_pixels=WHOLE)
    got = render(image, target, orientation, strip_pixels=strip, band_pixels=band)
    assert got.tobytes() == whole.tobytes()


@pytest.mark.parametrize("mode", ["L clear", "RGB clear"])
def test_strips_know_the_depth_of_the_transparent_color(mode: str) -> None:
    image = image_of(mode, 9, 9, 3)
    key = image.info["transparency"]
    wide = key << 8 if isinstance(key, int) else tuple(value << 8 for value in key)
    spec = ImageSpec.parse("gray-9x9")
    expected = render(image.copy(), spec, strip_pixels=WHOLE)
    image.info["transparency"] = wide
    assert render(image, spec, depth=16, strip_pixels=9).tolist() == expected.tolist()
