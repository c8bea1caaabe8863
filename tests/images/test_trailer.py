"""Files with something behind the image."""

import io
import random

import pytest
from PIL import Image

from errors import ImageError
from images.decoding import examine
from images.formats import FORMATS
from images.spec import ImageSpec
from images.trailer import without_trailer

SPEC = ImageSpec.parse("rgb-32x32")
JUNK = b"\xff\xd9\xff\xd8;IEND" * 100


def drawing(mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((33, 21), 60).convert(mode)


def file(name: str, image: Image.Image | None = None, **options: object) -> bytes:
    written = io.BytesIO()
    (image or drawing()).save(written, name, **options)
    return written.getvalue()


FILES = {
    "jpeg": file("JPEG"),
    "gray jpeg": file("JPEG", drawing("L")),
    "progressive jpeg": file("JPEG", progressive=True),
    "jpeg with restarts": file("JPEG", restart_marker_blocks=1),
    "jpeg with a thumbnail": file("JPEG", exif=b"Exif\0\0" + file("JPEG")),
    "png": file("PNG"),
    "animated png": file("PNG", save_all=True, append_images=[drawing()]),
    "webp": file("WEBP"),
    "lossless webp": file("WEBP", lossless=True),
    "bmp": file("BMP"),
    "palette bmp": file("BMP", drawing("P")),
    "gif": file("GIF"),
    "animated gif": file("GIF", save_all=True, append_images=[drawing(), drawing()]),
}


def test_every_format_that_is_read_is_here() -> None:
    assert {known.name.lower() for known in FORMATS} == {name for name in FILES if " " not in name}


@pytest.mark.parametrize("name", FILES)
def test_what_follows_the_image_is_cut(name: str) -> None:
    assert without_trailer(FILES[name] + JUNK) == FILES[name]


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_more_stays_as_it_is(name: str) -> None:
    assert without_trailer(FILES[name]) is FILES[name]


@pytest.mark.parametrize(
    "data", [b"", b"BM", b"GIF89a", b"RIFF1234WEBP", b"\xff\xd8\xff", b"hello"]
)
def test_what_is_no_image_stays_as_it_is(data: bytes) -> None:
    assert without_trailer(data) is data


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_that_is_read_is_read_the_same(name: str) -> None:
    draw = random.Random(name)
    for _ in range(200):
        damaged = bytearray(FILES[name])
        for _ in range(draw.randint(1, 3)):
            damaged[draw.randrange(12, len(damaged))] = draw.randrange(256)
        damaged += JUNK
        try:
            pixels = examine(bytes(damaged), 10_000_000).pixels(SPEC)
        except ImageError:
            continue
        cut = without_trailer(bytes(damaged))
        assert (examine(cut, 10_000_000).pixels(SPEC) == pixels).all()


@pytest.mark.parametrize("unit", [b"\xff", b"\xff\x00", b"\x00\xff", b"\xff\xd0"])
def test_megabytes_without_a_marker_are_searched_once(unit: bytes) -> None:
    data = b"\xff\xd8\xff\xe0\0\2" + unit * (4_000_000 // len(unit))
    # As a square of the length, it would take hours.
    assert without_trailer(data) is data


@pytest.mark.parametrize("fill", [262_141, 262_142, 262_143, 262_144, 524_286, 524_287, 524_288])
def test_an_end_across_two_windows_is_found(fill: int) -> None:
    data = b"\xff\xd8\xff\xe0\0\2" + b"\0" * fill + b"\xff\xd9"
    assert without_trailer(data + b"more") == data
