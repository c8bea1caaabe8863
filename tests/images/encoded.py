"""Image files of every kind, for the tests that decode or damage them."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from errors import ImageError
from images import formats
from images.decoding import read_pixels
from images.spec import ImageSpec

DIGITS = ImageSpec.parse("digits")
FORMATS = [format_.name for format_ in formats.FORMATS]


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(values: Any, mode: str | None = None) -> Image.Image:
    image = Image.fromarray(np.array(values, dtype=np.uint8))
    return image if mode is None else image.convert(mode)


def noise(*shape: int, seed: int = 0) -> Image.Image:
    return picture(np.random.default_rng(seed).integers(0, 256, shape))


def spec_for(image: Image.Image, mode: str = "gray") -> ImageSpec:
    return ImageSpec.parse(f"{mode}-{image.width}x{image.height}")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, depth: int, color: int, rows: bytes, *between: tuple[bytes, bytes]
) -> bytes:
    """A PNG made by hand: ``rows`` with their filter bytes, ``between`` header and pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = [(b"IHDR", header), *between, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in chunks)


def pixels(data: bytes, name: str) -> list[int]:
    result: list[int] = read_pixels(data, ImageSpec.parse(name)).tolist()
    return result


def refusal(data: bytes, spec: ImageSpec = DIGITS, max_pixels: int = 25_000_000) -> str:
    with pytest.raises(ImageError) as caught:
        read_pixels(data, spec, max_pixels)
    return str(caught.value)


# The examples to damage, one for each way of encoding a format.
GRAY, COLOR, CLEAR = noise(7, 9), noise(7, 9, 3), noise(7, 9, 4)
TURNED = Image.Exif()
TURNED[0x0112] = 6
DAMAGEABLE = [
    encode(GRAY, "JPEG"),
    encode(COLOR, "JPEG", progressive=True, exif=TURNED),
    encode(COLOR.convert("CMYK"), "JPEG"),
    encode(GRAY, "PNG"),
    encode(CLEAR, "PNG", exif=TURNED),
    encode(COLOR.quantize(9), "PNG", transparency=3),
    encode(COLOR, "WebP"),
    encode(CLEAR, "WebP", lossless=True, exif=TURNED),
    encode(CLEAR, "WebP", save_all=True, append_images=[COLOR]),
    encode(COLOR, "BMP"),
    encode(COLOR.quantize(9), "BMP"),
    encode(CLEAR, "GIF"),
    encode(COLOR, "GIF", save_all=True, append_images=[GRAY], disposal=2),
]
