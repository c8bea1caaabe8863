import struct

import pytest

from images.decoding import read_pixels
from images.formats import ANY_FORMAT
from tests.images.encoded import DIGITS, FORMATS, encode, noise, png, refusal


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"hello", f"it is not {ANY_FORMAT}"),
        (b"II*\0....", f"it is a TIFF, not {ANY_FORMAT}"),
        (b"\0\0\0\x1cftypheic", f"it is a HEIC, not {ANY_FORMAT}"),
        (b"\0\0\0\x1cftypavif", f"it is an AVIF, not {ANY_FORMAT}"),
        (b"%PDF-1.7", f"it is a PDF, not {ANY_FORMAT}"),
        (b"<svg/>", f"it is an SVG, not {ANY_FORMAT}"),
    ],
)
def test_another_format_is_refused_by_its_name(data: bytes, reason: str) -> None:
    assert refusal(data) == reason


@pytest.mark.parametrize("kind", FORMATS)
def test_too_many_pixels_are_refused_with_both_numbers(kind: str) -> None:
    data = encode(noise(17, 31), kind)
    assert refusal(data, max_pixels=526) == "it has 31x17 pixels; the limit is 526"
    read_pixels(data, DIGITS, 527)


@pytest.mark.parametrize(
    "data",
    [
        png(50_000, 50_000, 8, 6, b""),
        b"GIF89a" + struct.pack("<HHBBB", 50_000, 50_000, 0, 0, 0) + b"," + bytes(20),
        b"GIF89a\1\0\1\0\0\0\0!\xf9\4\x08\0\0\0\0,"
        + struct.pack("<HHHHB", 0, 0, 50_000, 50_000, 0),
        b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x4f\xc3\0" * 2,
        b"BM" + bytes(12) + struct.pack("<IIiHH", 40, 50_000, -50_000, 1, 8) + bytes(99),
    ],
    ids=["png", "gif", "gif frame", "webp", "bmp"],
)
def test_a_bomb_is_refused_by_its_header(data: bytes) -> None:
    assert refusal(data) == "it has 50000x50000 pixels; the limit is 25000000"


def test_a_line_too_long_to_resize_cheaply_is_refused() -> None:
    reason = refusal(png(65_536, 1, 8, 0, bytes(65_537)))
    assert reason == "it has 65536x1 pixels; the limit for a side is 65535"


@pytest.mark.parametrize("at", [16, 20])
def test_an_image_without_pixels_is_refused(at: int) -> None:
    data = bytearray(encode(noise(8, 8), "PNG"))
    data[at : at + 4] = bytes(4)
    assert refusal(bytes(data)).startswith("it has no pixels")


@pytest.mark.parametrize("kind", FORMATS)
def test_half_an_image_is_truncated(kind: str) -> None:
    data = encode(noise(40, 40, 3), kind)
    assert refusal(data[: len(data) // 2]) == "the image is truncated"
    assert refusal(data[:20]) == "the image is truncated"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_an_image_one_byte_short_is_truncated(kind: str) -> None:
    assert refusal(encode(noise(40, 40, 3), kind)[:-1]) == "the image is truncated"


def test_a_png_with_a_wrong_checksum_is_corrupt() -> None:
    data = bytearray(encode(noise(8, 8), "PNG", compress_level=0))
    data[data.index(b"IDAT") + 20] ^= 1
    assert refusal(bytes(data)) == "the image is corrupt (checksum of IDAT)"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xd9",
        png(8, 8, 8, 7, bytes(72)),
        png(2, 2, 8, 3, bytes(6), (b"PLTE", bytes(6)), (b"tRNS", bytes(300))),
        b"RIFF\xff\0\0\0WEBPVP8 " + bytes(300),
        b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\xff\2\0\0\0",
    ],
    ids=["empty JPEG", "color type", "alphas", "no WebP frame", "GIF code size"],
)
def test_a_corrupt_image_is_refused(data: bytes) -> None:
    assert refusal(data) in {"the image is corrupt", "the image is truncated"}


@pytest.mark.parametrize(
    "data",
    [
        png(1, 1, 8, 0, b"\0\x07", *[(b"teSt", b"")] * 5_000),
        b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1a" * 5_000,
    ],
    ids=["png", "gif"],
)
def test_more_blocks_than_any_image_has_are_refused(data: bytes) -> None:
    assert refusal(data) == "it has more than 4000 blocks"


def test_a_large_run_length_coded_bmp_is_refused() -> None:
    data = bytearray(encode(noise(8, 8).quantize(4), "BMP"))
    data[30] = 1
    assert refusal(bytes(data) + bytes(1_000_000)) == (
        "it is a run-length coded BMP of more than 100000 bytes or pixels"
    )
