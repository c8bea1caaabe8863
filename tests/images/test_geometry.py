"""Where an image comes to lie, and at which size it is decoded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from images.geometry import place, upright
from images.rendering import render
from images.spec import ImageSpec

SIDES = st.integers(1, 5000)


def rendered(image: Image.Image, text: str, orientation: int = 1) -> np.ndarray:
    spec = ImageSpec.parse(text)
    shape = (spec.height, spec.width) if spec.mode == "L" else (spec.height, spec.width, 3)
    return render(image, spec, orientation).reshape(shape)


def ramp(width: int, height: int) -> Image.Image:
    """A value of its own for each of a few places."""
    across, down = np.meshgrid(np.linspace(0, 120, width), np.linspace(0, 120, height))
    return Image.fromarray((across + down).astype(np.uint8))


def test_a_crop_is_the_middle_of_the_image_in_proportion() -> None:
    values = np.zeros((40, 120), np.uint8)
    values[:, 40:80] = 200
    assert (rendered(Image.fromarray(values), "gray-20x20:crop") == 200).all()
    assert (rendered(Image.fromarray(values.T.copy()), "gray-20x20:crop") == 200).all()


def test_a_crop_for_sides_that_differ_covers_both() -> None:
    assert place(100, 100, ImageSpec.parse("gray-20x10:crop")).box == (0, 25, 100, 75)
    assert place(400, 100, ImageSpec.parse("gray-20x10:crop")).box == (100, 0, 300, 100)


def as_torchvision(image: Image.Image, shortest: int, kept: int, filter_: int) -> np.ndarray:
    """What its documentation says of Resize and CenterCrop: the longer side is rounded down, and
    the offset of the middle to an integer, half to even."""
    width, height = image.size
    shorter = min(width, height)
    size = (shortest * width // shorter, shortest * height // shorter)
    left, top = (round((side - kept) / 2) for side in size)
    return np.asarray(image.resize(size, filter_).crop((left, top, left + kept, top + kept)))


@pytest.mark.parametrize("sides", [(500, 375), (333, 500), (256, 256), (100, 700), (257, 1000)])
def test_a_crop_with_a_shortest_side_is_resize_and_center_crop(sides: tuple[int, int]) -> None:
    image = ramp(*sides)
    for text, filter_ in (("bicubic", Image.Resampling.BICUBIC), ("box", Image.Resampling.BOX)):
        expected = as_torchvision(image, 256, 224, filter_).astype(int)
        got = rendered(image, f"gray-224x224:crop=256:{text}").astype(int)
        assert np.abs(expected - got).max() <= 1


def test_a_letterbox_keeps_all_of_the_image_and_fills_the_rest() -> None:
    image = Image.new("RGB", (80, 40), (250, 10, 90))
    got = rendered(image, "rgb-20x20:letterbox=114")
    assert (got[5:15] == (250, 10, 90)).all()
    assert (got[:5] == 114).all()
    assert (got[15:] == 114).all()
    turned = rendered(image, "rgb-20x20:letterbox=114", orientation=6)
    assert turned.tolist() == got.transpose(1, 0, 2).tolist()


def test_a_line_fits_into_a_letterbox() -> None:
    assert place(5000, 1, ImageSpec.parse("gray-20x20:letterbox")).size == (20, 1)


@settings(deadline=None)
@given(
    width=SIDES,
    height=SIDES,
    fit=st.sampled_from(["stretch", "crop", "crop=64", "letterbox"]),
    resize=st.sampled_from(["bilinear", "box"]),
    sides=st.sampled_from(["8x8", "64x64", "60x20"]),
)
def test_an_image_is_decoded_at_no_less_than_twice_its_size(
    width: int, height: int, fit: str, resize: str, sides: str
) -> None:
    least = 3 if resize == "box" else 2
    spec = ImageSpec.parse(f"rgb-{sides}:{fit}:{resize}:reduced")
    box, size, at, by = place(width, height, spec)
    assert 0 <= box.left < box.right <= width + 1e-9
    assert 0 <= box.top < box.bottom <= height + 1e-9
    assert at[0] + size[0] <= spec.width
    assert at[1] + size[1] <= spec.height
    ratio = min((box.right - box.left) / size[0], (box.bottom - box.top) / size[1])
    assert by == 1 or ratio / by >= least
    assert by == 8 or ratio / by < 2 * least
    assert place(width, height, spec.model_copy(update={"decoding": "full"})).reduction == 1


def test_single_pixels_are_not_taken_from_a_reduced_image() -> None:
    assert place(4000, 3000, ImageSpec.parse("rgb-8x8:nearest:reduced")).reduction == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_last_column_that_stands_for_fewer_pixels_is_where_it_belongs(orientation: int) -> None:
    """A ramp has another mean in each place, so that a shift of half a pixel would show."""
    upright_image = ramp(205, 133)
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    stored = upright_image if undo is None else upright_image.transpose(Image.Transpose(undo))
    assert upright(*stored.size, orientation) == upright_image.size
    for fit in ("stretch", "crop", "crop=9", "letterbox"):
        full = rendered(stored, f"gray-7x8:bilinear:{fit}", orientation).astype(int)
        small = rendered(stored, f"gray-7x8:bilinear:{fit}:reduced", orientation).astype(int)
        assert np.abs(full - small).max() <= 1, fit
