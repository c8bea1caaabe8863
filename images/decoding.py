"""Images: from the bytes of a file to the pixels that an image spec asks for.

One fixed way for every file: first frame, turned upright as EXIF says, laid over white, brought to
8 bits, converted to the spec's mode, and resized with the spec's filter where the size differs.
"""

import io
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Named here so that the first WebP does not make Pillow import all of its fifty plugins.
from PIL import (
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    PngImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from errors import ImageError
from images import jpeg
from images.header import (
    CORRUPT,
    TRUNCATED,
    Format,
    Header,
    bmp_header,
    exif_orientation,
    gif_header,
    image_format,
    png_header,
    png_picture,
    webp_header,
)
from images.spec import ImageSpec

MAX_PIXELS: Final = 25_000_000
MAX_SIDE: Final = 65_535
"""Resizing a line of 25 million pixels took Pillow 6 s; a JPEG or GIF can have none longer."""

# Measured on images of 300,000 pixels.
_SECONDS_PER_PIXEL: Final = {
    "JPEG": 8e-9,
    "progressive JPEG": 15e-9,
    "PNG": 16e-9,
    "WEBP": 23e-9,
    "BMP": 8e-9,
    "GIF": 10e-9,
}
_HEADERS: Final = {
    "PNG": png_header,
    "WEBP": webp_header,
    "BMP": bmp_header,
    "GIF": gif_header,
}
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FILTERS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class Encoded(NamedTuple):
    """An image file whose header was read and found right; nothing of it is decoded yet."""

    data: bytes
    header: Header | jpeg.Frame

    @property
    def seconds(self) -> float:
        """Roughly how long decoding will take, by format and size."""
        size = self.header.width * self.header.height
        return size * _SECONDS_PER_PIXEL[_coding(self.header)]

    def pixels(self, spec: ImageSpec) -> NDArray[np.uint8]:
        """uint8 [n_features]: row by row, channels last; raises ImageError."""
        header = self.header
        if isinstance(header, Header):
            image, orientation = _decode(self.data, header)
            return _fit(image, orientation, spec)
        decoded = jpeg.decode_fast(self.data, header)
        if decoded is None:
            plain = Header("JPEG", header.width, header.height)
            image = _decode(header.picture(self.data), plain)[0]
        elif (
            header.orientation == 1
            and header.width == spec.width
            and header.height == spec.height
            and header.layers == spec.channels
        ):
            return decoded.reshape(-1)
        else:
            image = Image.fromarray(decoded[:, :, 0] if header.layers == 1 else decoded)
        return _fit(image, header.orientation, spec)


def examine(data: bytes, max_pixels: int = MAX_PIXELS) -> Encoded:
    """Read an image file's header, in a few microseconds whatever size it declares.

    JPEG, PNG, WebP, BMP and GIF are read; bytes after the image's end are not looked at, as phones
    append previews and videos there. Safe to call from several threads. Raises ImageError, with
    the reason alone, for other files and for an image of more than ``max_pixels`` or with a side
    above 65535.
    """
    kind = image_format(data)
    header = jpeg.read_frame(data) if kind == "JPEG" else _HEADERS[kind](data)
    _check_size(header.width, header.height, max_pixels)
    return Encoded(data, header)


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that the file declares, before turning; None for no image read here."""
    try:
        header = examine(data).header
    except ImageError:
        return None
    return header.width, header.height


def read_pixels(data: bytes, spec: ImageSpec, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """uint8 [n_features] of the image in ``data``; see ``examine``. Raises ImageError."""
    return examine(data, max_pixels).pixels(spec)


def _coding(header: Header | jpeg.Frame) -> str:
    if isinstance(header, Header):
        return header.format
    return "JPEG" if header.is_sequential else "progressive JPEG"


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if not width or not height:
        raise ImageError(f"it has no pixels ({width}x{height})")
    if Image.MAX_IMAGE_PIXELS is not None:
        max_pixels = min(max_pixels, Image.MAX_IMAGE_PIXELS)
    if width * height > max_pixels:
        raise ImageError(f"{width}x{height} pixels are more than the {max_pixels} allowed")
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"{width}x{height} pixels have a side above the {MAX_SIDE} allowed")


def _decode(data: bytes, header: Header) -> tuple[Image.Image, int]:
    """The first frame, opaque with 8 bits per channel, and its EXIF orientation."""
    orientation, depth = 1, 8
    if header.format == "PNG":
        data, orientation = png_picture(data)
        depth = data[24]
    try:
        with Image.open(io.BytesIO(data), formats=(header.format,)) as image:
            size = image.size
            if size == (header.width, header.height):
                image.load()
                if header.format == "WEBP":
                    orientation = exif_orientation(image.info.get("exif", b""))
                return _opaque(image, depth), orientation
    except Exception as error:
        raise ImageError(_reason(error, header.format)) from error
    raise ImageError(CORRUPT)


def _reason(error: Exception, kind: Format) -> str:
    """Pillow raises anything on damaged bytes; which of two sentences it is, is all that helps."""
    if isinstance(error, MemoryError):
        return "there is no memory to decode it"
    if isinstance(error, EOFError) and kind != "WEBP":
        return TRUNCATED
    text = str(error).lower()
    return TRUNCATED if "truncated" in text or "not enough" in text else CORRUPT


def _opaque(image: Image.Image, depth: int) -> Image.Image:
    """Over white, in 8 bits; ``depth`` is a PNG's bits per sample."""
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        # The high byte, as Pillow itself does with 16-bit colour.
        gray = (values.clip(0, 0xFFFF) >> 8).astype(np.uint8)
        if isinstance(key, int):
            gray[values == key] = 255
        return Image.fromarray(gray)
    if not image.has_transparency_data:
        return image
    # Pillow gives a PNG's transparent colour as the file has it, but not its pixels.
    if image.mode == "L" and isinstance(key, int):
        image.info["transparency"] = _to_8_bits(key, depth)
    elif image.mode == "RGB" and isinstance(key, tuple):
        image.info["transparency"] = tuple(_to_8_bits(value, depth) for value in key)
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB")


def _to_8_bits(value: int, depth: int) -> int:
    top = (1 << depth) - 1
    return value >> 8 if depth == 16 else (value & top) * 255 // top


def _fit(image: Image.Image, orientation: int, spec: ImageSpec) -> NDArray[np.uint8]:
    """Converts, turns and resizes; turning moves pixels only, so it may come late, when cheap."""
    if image.mode != spec.mode:
        image = image.convert(spec.mode)
    if orientation != 1:
        image = image.transpose(_UPRIGHT[orientation])
    if image.size != (spec.width, spec.height):
        image = image.resize((spec.width, spec.height), _FILTERS[spec.resize])
    return np.array(image, dtype=np.uint8).reshape(-1)
