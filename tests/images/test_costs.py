"""The cost of an image is known before it is decoded, and is no less than it turns out to be."""

import sys
from pathlib import Path

import pytest

from bench.decoding import CODINGS, encode, measure
from images.costs import Cost
from images.decoding import examine
from images.spec import ImageSpec
from tests.images.encoded import DIGITS, noise
from tests.images.encoded import encode as encode_image

SIDE = 1600
# One of each kind of memory; the others are measured by bench.decoding, since each takes a second.
KINDS = (
    "PNG gray, 16 bits",
    "PNG palette, transparent",
    "PNG color with alpha",
    "JPEG color, subsampled",
    "JPEG progressive, subsampled",
    "JPEG progressive CMYK",
    "WebP lossy with alpha",
    "WebP lossless, alpha",
    "GIF, disposed of",
    "BMP color with alpha",
)
# Of the ways to a reduced size: by the decoder, row by row or from all coefficients, or after it.
THREE = ("JPEG color, subsampled", "JPEG progressive, subsampled", "PNG color with alpha")
SPEC, REDUCED = "rgb-64x64", "rgb-64x64:reduced"
LARGE = "rgb-512x512"


def cost(data: bytes, spec: ImageSpec = DIGITS) -> Cost:
    return examine(data).cost(spec)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("title", "spec"), [*((title, SPEC) for title in KINDS), *((title, REDUCED) for title in THREE)]
)
def test_no_coding_takes_more_memory_than_expected(title: str, spec: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    coding = next(coding for coding in CODINGS if coding.title == title)
    path.write_bytes(encode(coding, "photo", SIDE, 6))
    real = measure(path, spec).bytes
    expected = cost(path.read_bytes(), ImageSpec.parse(spec)).bytes
    # The constant part is for what is very wide, and counts for little in an image that is large.
    assert real <= expected <= 1.5 * real + 5_000_000


def test_a_scan_for_each_color_takes_memory_as_a_progressive_one_does() -> None:
    data = encode_image(noise(640, 640, 3), "JPEG")
    start = data.index(b"\xff\xda")
    one_color = data[: start + 4] + b"\1\1\0\0\x3f\0" + data[start + 4 :]
    assert cost(one_color).bytes > cost(data).bytes + 640 * 640


def test_color_that_is_sampled_coarsely_takes_less() -> None:
    image = noise(640, 640, 3)
    fine, coarse = (
        encode_image(image, "JPEG", progressive=True, subsampling=kind) for kind in (0, 2)
    )
    difference = cost(fine).bytes - cost(coarse).bytes
    assert difference == pytest.approx(3 * 640 * 640 + len(fine) - len(coarse))


def test_what_the_spec_makes_of_it_counts() -> None:
    data = encode_image(noise(9, 9), "PNG")
    assert cost(data, ImageSpec.parse(LARGE)).bytes > cost(data).bytes + 4 * 512 * 512 * 3
    assert cost(data, ImageSpec.parse(LARGE)).seconds > cost(data).seconds


def test_a_photo_of_12_megapixels_fits_in_any_format() -> None:
    for kind in ("JPEG", "PNG", "WebP", "GIF"):
        data = encode_image(noise(30, 40, 3), kind)
        small = cost(data)
        assert small.bytes < 2**21
    header = bytearray(encode_image(noise(30, 40, 3), "WebP", lossless=True))
    header[21:25] = (4031 | 3023 << 14).to_bytes(4, "little")
    assert 12 * 4032 * 3024 < cost(bytes(header)).bytes < 160 * 2**20


def test_sampling_factors_of_zero_are_no_reason_to_fail() -> None:
    data = bytearray(encode_image(noise(64, 64), "JPEG"))
    data[data.index(b"\xff\xc0") + 11] = 0
    assert cost(bytes(data)).bytes > 0
