"""Images as the pages show them."""

import io

import numpy as np
import pytest
from PIL import Image

from console.pictures import picture
from images.decoding import examine


def photo(kind: str, orientation: int) -> bytes:
    """600 x 400 pixels as stored, with noise, which makes the file large."""
    pixels = np.random.default_rng(1).integers(0, 256, (400, 600, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (300, 200)), (6, (200, 300))])
def test_a_photo_is_upright_and_keeps_its_proportions(
    kind: str, orientation: int, size: tuple[int, int]
) -> None:
    shown = picture(photo(kind, orientation), 300, 1000)
    header = examine(shown.content).header
    assert (header.width, header.height) == size


def test_a_small_file_is_shown_as_it_is() -> None:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 90).save(buffer, "PNG")
    shown = picture(buffer.getvalue(), 300, 1000)
    assert shown.content == buffer.getvalue()
    assert shown.is_tiny
