import io
import json
import struct
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from images.decoding import image_size, read_pixels
from images.formats import ANY_FORMAT
from images.spec import ImageSpec
from tests.images.encoded import (
    COLOR,
    DIGITS,
    FORMATS,
    GRAY,
    encode,
    noise,
    picture,
    pixels,
    png,
    refusal,
    spec_for,
)

DATA = Path(__file__).parents[1] / "data"
DIGIT8 = [
    [0, 1, 9, 14, 8, 0, 0, 0],
    [0, 0, 12, 14, 14, 12, 1, 0],
    [0, 1, 8, 10, 0, 14, 4, 1],
    [0, 0, 5, 15, 12, 15, 3, 0],
    [0, 0, 4, 16, 16, 1, 1, 1],
    [0, 3, 15, 8, 10, 13, 1, 0],
    [0, 1, 16, 2, 3, 16, 8, 0],
    [0, 0, 11, 15, 15, 11, 1, 0],
]


def test_the_digit_gives_the_features_its_classifier_was_trained_on() -> None:
    got = read_pixels((DATA / "digit8.jpg").read_bytes(), DIGITS)
    assert got.dtype == np.uint8
    assert DIGITS.features(got).reshape(8, 8).astype(int).tolist() == DIGIT8


def test_the_digit_in_a_request_body_is_the_digit_in_the_file() -> None:
    body = json.loads((DATA / "predict_digit8.json").read_bytes())
    assert b64decode(body["image"]) == (DATA / "digit8.jpg").read_bytes()


def test_an_image_spoilt_by_a_stray_base64_letter_is_refused() -> None:
    body = json.loads((DATA / "predict_broken_base64.json").read_bytes())
    data = b64decode(body["image"] + "==", validate=False)
    assert refusal(data) == f"it is not {ANY_FORMAT}"


@settings(max_examples=100, deadline=None)
@given(
    gray=st.booleans(),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
    orientation=st.integers(0, 9),
    spec=st.sampled_from(["digits", "gray-9x7", "rgb-9x7", "rgb-40x40"]),
    resize=st.sampled_from(["nearest", "box", "bilinear", "bicubic", "lanczos"]),
)
def test_a_jpeg_gives_what_pillow_gives_step_by_step(
    gray: bool,
    width: int,
    height: int,
    seed: int,
    quality: int,
    subsampling: int,
    progressive: bool,
    orientation: int,
    spec: str,
    resize: Any,
) -> None:
    image = noise(height, width, seed=seed) if gray else noise(height, width, 3, seed=seed)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    data = encode(
        image, "JPEG", quality=quality, subsampling=subsampling, progressive=progressive, exif=exif
    )
    target = ImageSpec.parse(spec).model_copy(update={"resize": resize})
    with Image.open(io.BytesIO(data)) as opened:
        expected = ImageOps.exif_transpose(opened).convert(target.mode)
    size = (target.width, target.height)
    if expected.size != size:
        expected = expected.resize(size, Image.Resampling[resize.upper()])
    assert read_pixels(data, target).tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF"])
def test_gray_pixels_come_row_by_row(kind: str) -> None:
    data = encode(picture([[0, 50, 100], [150, 200, 255]]), kind)
    assert pixels(data, "gray-3x2") == [0, 50, 100, 150, 200, 255]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WebP"])
def test_color_pixels_come_channels_last(kind: str) -> None:
    options = {"lossless": True} if kind == "WebP" else {}
    data = encode(picture([[[10, 20, 30], [40, 50, 60]]]), kind, **options)
    assert pixels(data, "rgb-2x1") == [10, 20, 30, 40, 50, 60]


def test_color_becomes_gray_by_its_luma() -> None:
    data = encode(picture([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]), "PNG")
    assert pixels(data, "gray-3x1") == [76, 150, 29]


def test_an_image_of_another_size_is_resized_by_the_mean_of_each_box() -> None:
    data = encode(picture([[0, 10, 100, 110], [20, 30, 120, 130]]), "PNG")
    assert pixels(data, "gray-2x1") == [15, 115]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
@pytest.mark.parametrize("endian", ["<", ">"])
def test_an_image_stored_in_any_orientation_gives_the_same_pixels(
    orientation: int, kind: str, endian: str
) -> None:
    # Blocks of 8×8 survive JPEG's and WebP's coding whichever way they are turned.
    upright = picture([[0, 60, 120], [180, 210, 255]]).resize((24, 16), Image.Resampling.NEAREST)
    stored = upright
    if orientation != 1:
        undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
        stored = upright.transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif.endian = endian
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WebP" else {}
    data = encode(stored.convert("RGB"), kind, exif=exif, **options)
    got = np.array(pixels(data, "gray-3x2"))
    np.testing.assert_allclose(got, [0, 60, 120, 180, 210, 255], atol=2)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_invalid_orientation_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(picture([[1, 2], [3, 4]]), "PNG", exif=exif)
    assert pixels(data, "gray-2x2") == [1, 2, 3, 4]


@pytest.mark.parametrize("tail", [b"", b"II*\0", b"MM\0*\0\0\0\x08\xff\xff\x01\x12", b"Exif" * 9])
def test_broken_exif_leaves_the_picture_readable(tail: bytes) -> None:
    data = encode(picture([[1, 2], [3, 4]]), "JPEG", exif=b"Exif\0\0" + tail)
    clean = encode(picture([[1, 2], [3, 4]]), "JPEG")
    assert pixels(data, "gray-2x2") == pixels(clean, "gray-2x2")


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0, [255, 255, 255]), (128, [227, 127, 177]), (255, [200, 0, 100])]
)
@pytest.mark.parametrize("kind", ["PNG", "WebP"])
def test_transparency_shows_white(kind: str, alpha: int, expected: list[int]) -> None:
    options = {"lossless": True, "exact": True} if kind == "WebP" else {}
    data = encode(picture([[[200, 0, 100, alpha]]]), kind, **options)
    assert pixels(data, "rgb-1x1") == expected


def test_gray_with_alpha_shows_white() -> None:
    data = encode(picture([[[0, 0], [0, 128], [0, 255]]], "LA"), "PNG")
    assert pixels(data, "gray-3x1") == [255, 127, 0]


def test_a_palette_with_an_alpha_for_each_color_shows_white() -> None:
    palette = bytes([200, 0, 100] * 3)
    data = png(3, 1, 8, 3, b"\0\0\1\2", (b"PLTE", palette), (b"tRNS", b"\x00\x80\xff"))
    assert pixels(data, "rgb-3x1") == [255, 255, 255, 227, 127, 177, 200, 0, 100]


@pytest.mark.parametrize("clear", [0, 1])
def test_a_palette_with_one_transparent_color_shows_white(clear: int) -> None:
    palette = bytes([10, 20, 30, 40, 50, 60])
    alphas = bytes(0 if index == clear else 255 for index in range(2))
    data = png(2, 1, 8, 3, b"\0\0\1", (b"PLTE", palette), (b"tRNS", alphas))
    expected = [10, 20, 30, 40, 50, 60]
    expected[3 * clear : 3 * clear + 3] = [255, 255, 255]
    assert pixels(data, "rgb-2x1") == expected


def test_the_transparent_color_of_a_gif_shows_white() -> None:
    image = picture([[0, 1, 2]])
    image = image.convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    data = encode(image, "GIF", transparency=1)
    assert pixels(data, "rgb-3x1") == [10, 20, 30, 255, 255, 255, 70, 80, 90]


@pytest.mark.parametrize(
    ("depth", "row", "clear", "expected"),
    [
        (1, b"\x40", 0, [255, 255, 255, 255]),
        (1, b"\x40", 1, [0, 255, 0, 0]),
        (2, b"\x1b", 1, [0, 255, 170, 255]),
        (4, b"\x01\x2f", 2, [0, 17, 255, 255]),
        (8, b"\x00\x01\x02\x03", 3, [0, 1, 2, 255]),
        (16, b"\x00\x05\x01\x00\x80\x00\xff\xff", 0x8000, [0, 1, 255, 255]),
    ],
)
def test_the_transparent_shade_of_a_gray_png_shows_white_at_any_depth(
    depth: int, row: bytes, clear: int, expected: list[int]
) -> None:
    data = png(4, 1, depth, 0, b"\0" + row, (b"tRNS", struct.pack(">H", clear)))
    assert pixels(data, "gray-4x1") == expected


@pytest.mark.parametrize(
    ("depth", "row", "clear"),
    [
        (8, bytes([1, 2, 3, 4, 5, 6]), (4, 5, 6)),
        (16, bytes([1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 9]), (0x400, 0x500, 0x609)),
    ],
)
def test_the_transparent_color_of_a_png_shows_white_at_any_depth(
    depth: int, row: bytes, clear: tuple[int, int, int]
) -> None:
    data = png(2, 1, depth, 2, b"\0" + row, (b"tRNS", struct.pack(">HHH", *clear)))
    assert pixels(data, "rgb-2x1") == [1, 2, 3, 255, 255, 255]


def test_16_bit_gray_is_scaled_and_not_clipped() -> None:
    values = np.array([[0, 255, 256, 32768, 65279, 65535]], dtype=np.uint16)
    assert pixels(encode(Image.fromarray(values), "PNG"), "gray-6x1") == [0, 0, 1, 128, 254, 255]


def test_16_bit_gray_agrees_with_16_bit_color_and_16_bit_gray_with_alpha() -> None:
    values = [0, 255, 256, 32767, 65279, 65535]
    gray = b"".join(struct.pack(">H", value) for value in values)
    alpha = b"".join(struct.pack(">HH", value, 0xFFFF) for value in values)
    color = b"".join(struct.pack(">HHH", value, value, value) for value in values)
    by_color_type = [
        pixels(png(6, 1, 16, kind, b"\0" + row), "gray-6x1")
        for kind, row in ((0, gray), (4, alpha), (2, color))
    ]
    assert by_color_type == [[0, 0, 1, 127, 254, 255]] * 3


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_bitmap_of_one_bit_is_black_and_white(kind: str) -> None:
    image = picture([[0, 255, 0]]).convert("1")
    assert pixels(encode(image, kind), "gray-3x1") == [0, 255, 0]


def test_cmyk_becomes_color() -> None:
    data = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    np.testing.assert_allclose(pixels(data, "rgb-1x1"), [255, 0, 0], atol=3)


@pytest.mark.parametrize("kind", ["GIF", "WebP", "PNG"])
def test_the_first_frame_of_an_animation_is_read(kind: str) -> None:
    first, second = picture([[40, 80]], "RGB"), picture([[200, 160]], "RGB")
    options = {"lossless": True} if kind == "WebP" else {}
    data = encode(first, kind, save_all=True, append_images=[second], **options)
    assert pixels(data, "gray-2x1") == [40, 80]


def test_the_still_of_a_png_is_read_before_its_animation() -> None:
    still, frame = picture([[40, 80]]), picture([[200, 160]])
    data = encode(still, "PNG", save_all=True, append_images=[frame], default_image=True)
    assert pixels(data, "gray-2x1") == [40, 80]


def test_a_gif_frame_beyond_its_canvas_counts_with_its_size() -> None:
    data = bytearray(encode(noise(20, 30), "GIF"))
    data[6:10] = struct.pack("<HH", 2, 2)
    assert image_size(bytes(data)) == (30, 20)
    assert refusal(bytes(data), max_pixels=599) == "it has 30x20 pixels; the limit is 599"


@pytest.mark.parametrize("kind", FORMATS)
def test_size_is_read_without_decoding(kind: str) -> None:
    assert image_size(encode(noise(17, 31, 3), kind)) == (31, 17)


def test_the_size_of_a_bmp_from_the_top_is_positive() -> None:
    data = bytearray(encode(picture([[1, 2], [3, 4]]), "BMP"))
    data[22:26] = struct.pack("<i", -2)
    assert image_size(bytes(data)) == (2, 2)
    assert pixels(bytes(data), "gray-2x2") == [3, 4, 1, 2]


def test_the_size_of_no_image_is_unknown() -> None:
    assert image_size(b"") is None
    assert image_size(b"GIF89a") is None
    assert image_size(b"II*\0" + bytes(99)) is None


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_after_the_end_are_ignored(kind: str) -> None:
    data = encode(COLOR, kind)
    spec = spec_for(COLOR, "rgb")
    assert read_pixels(data + b"ftypmp42" * 99, spec).tolist() == read_pixels(data, spec).tolist()


def test_a_photo_with_a_second_picture_behind_it_is_read() -> None:
    data = encode(COLOR, "MPO", save_all=True, append_images=[GRAY.convert("RGB")])
    assert data.count(b"\xff\xd9") == 2
    assert pixels(data, "rgb-9x7") == pixels(encode(COLOR, "JPEG"), "rgb-9x7")


@pytest.mark.parametrize("name", [b"transparency", b"bbox", b"interlace", b"exif", b"gamma"])
def test_text_in_a_png_does_not_change_its_pixels(name: bytes) -> None:
    data = png(2, 1, 8, 2, b"\0\1\2\3\4\5\6", (b"tEXt", name + b"\0(1, 2, 3)"))
    assert pixels(data, "rgb-2x1") == [1, 2, 3, 4, 5, 6]
