"""Copies of large images: what a model sees in them, and what is left as it is."""

import io

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from images.copies import copy_size, decodes_alike, make_copy
from images.decoding import Decoded, Encoded, examine, image_size
from images.note import original_size
from images.spec import ImageSpec

SPEC = ImageSpec.parse("rgb-64x64")
MEMORY = 80 * 2**20
WIDTH, HEIGHT = 1440, 1080


def scene(mode: str = "RGB", width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Edges, gradients, textures and some noise of a sensor, as in a photo."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = np.sin(x / 37 + np.sin(y / 53) * 3) * 40 + np.sin((x + y) / 5) * 12
    blocks = ((x // 217 + y // 173) % 3) * 45
    noise = np.random.default_rng(0).normal(0, 4, (height, width))
    gray = 90 + waves + blocks - 30 * (y / height) + noise
    bands = [gray, gray * 0.8 + 20 * np.sin(x / 91), 255 - gray]
    return Image.fromarray(np.stack(bands, 2).clip(0, 255).astype(np.uint8)).convert(mode)


@pytest.fixture(scope="module")
def color() -> Image.Image:
    return scene()


@pytest.fixture(scope="module")
def photo() -> bytes:
    """Large enough to be decoded at half of its size."""
    return encode(scene(width=2880, height=2160), "JPEG", quality=88)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def copied(data: bytes, spec: ImageSpec = SPEC) -> bytes:
    copy = make_copy(examine(data), spec, MEMORY)
    assert copy is not None
    return copy


def differences(data: bytes, copy: bytes, spec: ImageSpec) -> np.ndarray:
    seen = [examine(file).pixels(spec).astype(int) for file in (data, copy)]
    return np.asarray(np.abs(seen[0] - seen[1]))


@pytest.mark.parametrize(
    ("name", "mean", "most"),
    [("digits", 0.7, 2), ("gray-28x28", 0.5, 3), ("rgb-64x64", 0.8, 8), ("rgb-224x224", 1.5, 25)],
)
def test_a_model_sees_nearly_the_same(photo: bytes, name: str, mean: float, most: int) -> None:
    spec = ImageSpec.parse(name)
    copy = copied(photo, spec)
    assert len(copy) * 4 < len(photo)
    off = differences(photo, copy, spec)
    assert off.mean() < mean
    assert off.max() <= most


def kinds(color: Image.Image) -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = color.convert("RGBA")
    clear.putalpha(color.getchannel(0))
    return {
        "JPEG": encode(color, "JPEG"),
        "JPEG on its side": encode(color, "JPEG", exif=exif),
        "JPEG in several scans": encode(color, "JPEG", progressive=True),
        "gray JPEG": encode(color.convert("L"), "JPEG"),
        "CMYK JPEG": encode(color.convert("CMYK"), "JPEG"),
        "PNG": encode(color, "PNG", compress_level=1),
        "PNG on its side": encode(color, "PNG", exif=exif, compress_level=1),
        "PNG with alpha": encode(clear, "PNG", compress_level=1),
        "PNG with a palette": encode(color.quantize(64), "PNG", compress_level=1),
        "GIF": encode(color.quantize(64), "GIF"),
        "BMP": encode(color, "BMP"),
    }


def test_of_every_kind(color: Image.Image) -> None:
    for name, data in kinds(color).items():
        copy = copied(data)
        off = differences(data, copy, SPEC)
        assert off.mean() < 1.0, name
        assert off.max() <= 10, name
        sides = image_size(copy)
        assert sides is not None
        upright = "side" not in name
        assert (sides.width > sides.height) == upright, name
        assert original_size(copy) == (WIDTH, HEIGHT), name


def test_a_copy_is_twice_the_spec_and_no_smaller_than_512() -> None:
    assert copy_size(4000, 3000, ImageSpec.parse("digits")) == (680, 512)
    assert copy_size(4000, 3000, ImageSpec.parse("rgb-224x224")) == (896, 672)
    assert copy_size(8000, 6000, ImageSpec.parse("rgb-400x400")) == (1200, 800)
    assert copy_size(3000, 4000, ImageSpec.parse("rgb-64x64")) == (512, 704)


def test_what_is_not_much_larger_stays_as_it_is() -> None:
    assert copy_size(1024, 1024, SPEC) == (512, 512)
    assert copy_size(1023, 1024, SPEC) is None
    assert copy_size(20_000, 400, SPEC) is None
    assert make_copy(examine(encode(scene(width=640, height=480), "JPEG")), SPEC, MEMORY) is None


def test_single_pixels_are_not_in_a_copy(color: Image.Image) -> None:
    spec = SPEC.model_copy(update={"resize": "nearest"})
    assert make_copy(examine(encode(color, "JPEG")), spec, MEMORY) is None


def test_a_file_that_is_small_already_stays() -> None:
    data = encode(Image.new("RGB", (WIDTH, HEIGHT), "navy"), "PNG", optimize=True)
    copy = make_copy(examine(data), SPEC, MEMORY)
    assert copy is None or len(copy) < len(data)


def test_what_would_take_too_much_memory_stays(color: Image.Image) -> None:
    for kind in ("JPEG", "PNG"):
        data = encode(color, kind)
        assert make_copy(examine(data), SPEC, 1_000_000) is None


def test_a_copy_is_not_copied_again(color: Image.Image) -> None:
    copy = copied(encode(color, "JPEG"))
    assert make_copy(examine(copy), SPEC, MEMORY) is None


def test_only_copies_have_an_original() -> None:
    assert original_size(encode(scene(width=64, height=64), "JPEG", comment=b"a copy")) is None
    assert original_size(b"") is None


@pytest.mark.parametrize(
    "name",
    [
        "rgb-64x64:reduced",
        "gray-28x28:reduced",
        "rgb-112x112:crop=128:bicubic:reduced",
        "rgb-64x64:letterbox:reduced",
        "rgb-64x64:crop",
    ],
)
def test_a_model_of_reduced_images_sees_them_but_for_the_loss(
    photo: bytes, color: Image.Image, name: str
) -> None:
    spec = ImageSpec.parse(name)
    exif = Image.Exif()
    exif[0x0112] = 6
    for data in (photo, encode(color, "PNG", exif=exif, compress_level=1)):
        copy = copied(data, spec)
        sides, before = image_size(copy), image_size(data)
        assert sides is not None
        assert before is not None
        assert min(sides) >= 512
        assert original_size(copy) == before
        off = differences(data, copy, spec)
        assert off.mean() < 1.1
        assert off.max() <= 10
        assert make_copy(examine(copy), spec, MEMORY) is None


@pytest.mark.parametrize(
    ("name", "sampling"),
    # The copies of those that are reduced have 720x540 pixels.
    [
        ("rgb-180x180:bicubic:reduced", (2, 2)),
        ("rgb-181x181:bicubic:reduced", (1, 1)),
        ("rgb-90x90:crop=180:bicubic:reduced", (2, 2)),
        ("rgb-90x90:crop=200:bicubic:reduced", (1, 1)),
        ("rgb-64x64", (1, 1)),
    ],
)
def test_color_is_finer_than_a_model_looks(
    photo: bytes, name: str, sampling: tuple[int, int]
) -> None:
    with Image.open(io.BytesIO(copied(photo, ImageSpec.parse(name)))) as copy:
        assert isinstance(copy, JpegImageFile)
        assert copy.layer[0][1:3] == sampling


def seen(encoded: Encoded, spec: ImageSpec) -> Decoded:
    """What the pixels of a spec are made of."""
    found: list[Decoded] = []
    encoded.pixels(spec, found.append)
    (decoded,) = found
    return decoded


@pytest.mark.parametrize("kind", ["JPEG", "on its side", "in several scans", "gray", "CMYK"])
def test_the_copy_of_what_a_model_saw_is_the_same(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    mode = {"gray": "L", "CMYK": "CMYK"}.get(kind, "RGB")
    image = scene(mode, width=2880, height=2160)
    data = encode(
        image,
        "JPEG",
        exif=exif if kind == "on its side" else b"",
        progressive=kind == "in several scans",
    )
    encoded = examine(data)
    spec = ImageSpec.parse("rgb-224x224").model_copy(update={"decoding": "reduced"})
    assert decodes_alike(encoded, spec)
    decoded = seen(encoded, spec)
    assert make_copy(encoded, spec, MEMORY, decoded) == make_copy(encoded, spec, MEMORY)
    # It was not decoded again: that takes more memory than there is now.
    assert make_copy(encoded, spec, 0, decoded) is not None
    assert make_copy(encoded, spec, 0) is None


def test_what_another_model_saw_is_no_copy(photo: bytes) -> None:
    encoded = examine(photo)
    spec, smaller = (
        ImageSpec.parse(text).model_copy(update={"decoding": "reduced"})
        for text in ("rgb-224x224", "rgb-64x64")
    )
    # At an eighth, which has less than 512 pixels a side.
    assert not decodes_alike(encoded, smaller)
    assert make_copy(encoded, spec, 0, seen(encoded, smaller)) is None


def test_gray_of_a_color_image_is_no_copy(photo: bytes) -> None:
    gray = ImageSpec.parse("gray-224x224").model_copy(update={"decoding": "reduced"})
    assert not decodes_alike(examine(photo), gray)
