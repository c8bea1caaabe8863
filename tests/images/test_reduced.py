"""Large images that are decoded at a reduced size: which pixels, of which files."""

import io
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from errors import ImageError
from images import jpeg
from images.decoding import examine, read_pixels
from images.spec import ImageSpec
from tests.images.encoded import encode, noise

WIDTH, HEIGHT = 301, 222
DATA = Path(__file__).parents[1] / "data"


def scene(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Gradients, waves and edges, as in a photo."""
    down, across = np.mgrid[0:height, 0:width]
    waves = 30 * np.sin(across / 23 + np.sin(down / 31) * 2)
    edges = (across // 97 + down // 71) % 3 * 40
    bands = [60 + waves + edges, 250 - waves - edges, 40 + across / 3 + edges]
    return Image.fromarray(np.stack(bands, 2).clip(0, 255).astype(np.uint8))


def files(image: Image.Image) -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = image.convert("RGBA")
    clear.putalpha(image.getchannel(0))
    return {
        "JPEG": encode(image, "JPEG", quality=90),
        "JPEG on its side": encode(image, "JPEG", quality=90, exif=exif),
        "JPEG in several scans": encode(image, "JPEG", quality=90, progressive=True),
        "gray JPEG": encode(image.convert("L"), "JPEG", quality=90),
        "CMYK JPEG": encode(image.convert("CMYK"), "JPEG", quality=90),
        "PNG": encode(image, "PNG", compress_level=1),
        "PNG on its side": encode(image, "PNG", exif=exif, compress_level=1),
        "gray PNG": encode(image.convert("L"), "PNG", compress_level=1),
        "PNG with alpha": encode(clear, "PNG", compress_level=1),
        "PNG with a palette": encode(image.quantize(64), "PNG", transparency=3, compress_level=1),
        "WebP": encode(image, "WebP", quality=90, method=0),
        "WebP with alpha": encode(clear, "WebP", quality=90, method=0, exif=exif),
        "GIF": encode(image.quantize(64), "GIF"),
        "BMP": encode(image, "BMP"),
    }


FILES = files(scene())


def differences(data: bytes, text: str) -> np.ndarray:
    full = read_pixels(data, ImageSpec.parse(text)).astype(int)
    small = read_pixels(data, ImageSpec.parse(f"{text}:reduced")).astype(int)
    apart: np.ndarray = np.abs(full - small)
    return apart


@pytest.mark.parametrize(
    "text", ["rgb-12x16:bicubic", "gray-14x14", "rgb-20x20:crop:bilinear", "rgb-15x10:letterbox"]
)
def test_every_kind_of_file_gives_nearly_what_all_of_it_gives(text: str) -> None:
    for name, data in FILES.items():
        off = differences(data, text)
        assert off.any(), name
        assert off.mean() < 1.5, name
        assert off.max() <= 12, name


@settings(max_examples=80, deadline=None)
@given(
    mode=st.sampled_from(["L", "RGB", "CMYK"]),
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    seed=st.integers(0, 2**32 - 1),
    subsampling=st.sampled_from([0, 1, 2]),
    progressive=st.booleans(),
    orientation=st.integers(1, 8),
    spec=st.sampled_from(["gray-3x2", "rgb-3x2", "rgb-1x1", "rgb-8x8", "rgb-2x3:crop=4"]),
)
def test_a_jpeg_gives_what_pillow_drafts_step_by_step(
    mode: str,
    width: int,
    height: int,
    seed: int,
    subsampling: int,
    progressive: bool,
    orientation: int,
    spec: str,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = noise(height, width, 4, seed=seed).convert("RGB").convert(mode)
    sampled = {} if mode == "CMYK" else {"subsampling": subsampling}
    data = encode(image, "JPEG", progressive=progressive, exif=exif, **sampled)
    target = ImageSpec.parse(f"{spec}:reduced")
    encoded = examine(data)
    frame = encoded.header
    assert isinstance(frame, jpeg.Frame)
    got = encoded.pixels(target)
    slow = frame._replace(marker=0xC9)
    assert got.tobytes() == encoded._replace(header=slow).pixels(target).tobytes()


def test_a_photo_of_color_gives_its_luma_to_a_model_of_gray() -> None:
    data = encode(scene(), "JPEG", quality=90)
    with Image.open(io.BytesIO(data)) as image:
        image.draft("L", (WIDTH // 4, HEIGHT // 4))
        box = (0, 0, WIDTH / 4, HEIGHT / 4)
        expected = np.asarray(image.resize((14, 14), Image.Resampling.BOX, box))
    assert read_pixels(data, ImageSpec.parse("gray-14x14:reduced")).tolist() == (
        expected.ravel().tolist()
    )


def test_what_is_not_much_larger_is_decoded_in_full() -> None:
    for name, data in files(scene(111, 79)).items():
        assert not differences(data, "rgb-28x28:bilinear").any(), name
        assert differences(data, "rgb-19x19:bilinear").any(), name


def test_an_original_size_is_read_as_it_is() -> None:
    data = encode(scene(40, 30), "JPEG")
    assert not differences(data, "rgb-40x30").any()
    assert not differences(data, "rgb-40x30:letterbox").any()
    spec = ImageSpec.parse("rgb-30x30:crop=30")
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.fit(image, (30, 30), Image.Resampling.BOX))
    assert read_pixels(data, spec).tolist() == expected.ravel().tolist()


PIXELS = {
    "photo.jpg": "86c91dae8712dd2d",
    "photo_turned.jpg": "15620aed1deb8c1b",
    "photo_cmyk.jpg": "366c46ad83f187c5",
    "photo_clear.png": "b04b6ba5fbc52891",
    "photo.webp": "ef06985077471415",
}


@pytest.mark.parametrize("name", PIXELS)
def test_pixels_are_the_same_bytes_on_every_platform(name: str) -> None:
    """A version that was made on one machine answers on others, and with later libraries."""
    data = (DATA / name).read_bytes()
    pixels = read_pixels(data, ImageSpec.parse("rgb-12x9:bicubic:reduced"))
    assert sha256(pixels.tobytes()).hexdigest()[:16] == PIXELS[name]


@pytest.mark.parametrize("name", ["JPEG", "JPEG in several scans", "CMYK JPEG", "PNG", "WebP"])
def test_a_file_that_is_cut_short_is_refused_as_it_is_in_full(name: str) -> None:
    data = FILES[name]
    for part in (3, 2):
        reasons = []
        for text in ("rgb-12x9", "rgb-12x9:reduced"):
            with pytest.raises(ImageError) as caught:
                read_pixels(data[: len(data) * (part - 1) // part], ImageSpec.parse(text))
            reasons.append(str(caught.value))
        assert reasons[0] == reasons[1]


def test_a_reduced_photo_takes_a_fraction_of_memory_and_time() -> None:
    for kind, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})):
        encoded = examine(encode(noise(600, 800, 3), kind, **options))
        full, small = (
            encoded.cost(ImageSpec.parse(text)) for text in ("rgb-32x32", "rgb-32x32:reduced")
        )
        assert small.bytes < 1.2 * full.bytes
        assert small.seconds <= full.seconds
        if kind == "JPEG":
            assert small.seconds < 0.7 * full.seconds
            assert small.bytes < (0.95 if options else 0.85) * full.bytes


def test_the_orientation_of_a_photo_counts_for_its_cost() -> None:
    data = encode(noise(400, 1600, 3), "JPEG")
    spec = ImageSpec.parse("rgb-100x25:bilinear:reduced")
    upright = examine(data)
    assert isinstance(upright.header, jpeg.Frame)
    turned = upright._replace(header=upright.header._replace(orientation=6))
    assert upright.cost(spec).bytes < turned.cost(spec).bytes


@pytest.mark.parametrize("more", [[], ["rgb-12x16:reduced"]])
def test_specs_that_share_a_decoding_give_what_each_gives_alone(more: list[str]) -> None:
    texts = [
        *("rgb-12x16:bicubic", "gray-14x14", "gray-14x14:lanczos", "rgb-20x20:crop=23:nearest"),
        *("rgb-15x10:letterbox=9", f"rgb-{WIDTH}x{HEIGHT}", f"gray-{WIDTH}x{HEIGHT}", *more),
    ]
    specs = [ImageSpec.parse(text) for text in texts]
    for name, data in FILES.items():
        image = examine(data)
        for text, pixels, spec in zip(texts, image.each(specs), specs, strict=True):
            assert np.array_equal(pixels, image.pixels(spec)), (name, text)
