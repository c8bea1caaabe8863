"""Decoding: from the bytes of an image file to the pixels that an image spec asks for.

Every file goes through the same steps: take the first frame, turn it upright as EXIF says, put it
on white, reduce it to 8 bits, convert it to the spec's mode, and resize it with the spec's filter
if the size differs.
"""

import io
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Imported here so that the first WebP does not make Pillow import all of its fifty plugins.
from PIL import (
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    PngImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

from errors import ImageError
from images import jpeg
from images.formats import sniff
from images.header import (
    CORRUPT,
    TRUNCATED,
    Size,
    bmp_size,
    exif_orientation,
    gif_size,
    png_size,
    png_without_metadata,
    webp_size,
)
from images.spec import ImageSpec

MAX_PIXELS: Final = 25_000_000
MAX_SIDE: Final = 65_535
"""Resizing a line of 25 million pixels took Pillow 6 s; a JPEG or GIF cannot have a longer one."""


class _Decoder(NamedTuple):
    """How a format is decoded with Pillow, and what that costs."""

    size: Callable[[bytes], Size]
    seconds_per_pixel: float


# Costs were measured on images of 300,000 pixels. JPEG has a module of its own.
_DECODERS: Final = {
    "PNG": _Decoder(png_size, 16e-9),
    "WebP": _Decoder(webp_size, 23e-9),
    "BMP": _Decoder(bmp_size, 8e-9),
    "GIF": _Decoder(gif_size, 10e-9),
}
_JPEG_SECONDS_PER_PIXEL: Final = 8e-9
_PROGRESSIVE_JPEG_SECONDS_PER_PIXEL: Final = 15e-9

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


class Header(NamedTuple):
    """``format`` is a format's name; ``width`` and ``height`` in pixels, as stored."""

    format: str
    width: int
    height: int


class Encoded(NamedTuple):
    """An image file whose header was read and accepted; nothing is decoded yet."""

    data: bytes
    header: Header | jpeg.Frame

    @property
    def seconds(self) -> float:
        """A rough estimate of the time that decoding takes, from format and size."""
        header = self.header
        if isinstance(header, Header):
            rate = _DECODERS[header.format].seconds_per_pixel
        elif header.is_sequential:
            rate = _JPEG_SECONDS_PER_PIXEL
        else:
            rate = _PROGRESSIVE_JPEG_SECONDS_PER_PIXEL
        return header.width * header.height * rate

    def pixels(self, spec: ImageSpec) -> NDArray[np.uint8]:
        """uint8 [n_features]: row by row, channels last; raises ImageError."""
        header = self.header
        if isinstance(header, Header):
            image, orientation = _decode(self.data, header)
            return _fit(image, orientation, spec)
        decoded = jpeg.decode_fast(self.data, header)
        if decoded is None:
            plain = Header("JPEG", header.width, header.height)
            image = _decode(header.without_metadata(self.data), plain)[0]
        elif (
            header.orientation == 1
            and header.width == spec.width
            and header.height == spec.height
            and header.components == spec.channels
        ):
            return decoded.reshape(-1)
        else:
            image = Image.fromarray(decoded[:, :, 0] if header.components == 1 else decoded)
        return _fit(image, header.orientation, spec)


def examine(data: bytes, max_pixels: int = MAX_PIXELS) -> Encoded:
    """Read an image file's header, in a few microseconds whatever size it declares.

    Reads the formats of ``images.formats``. Ignores bytes after the end of the image, since phones
    append previews and videos there. Safe to call from several threads. Raises ImageError, with
    the reason alone, for other files and for an image of more than ``max_pixels`` or with a side
    above 65535.
    """
    header = _read_header(data, sniff(data).name)
    _check_size(header.width, header.height, max_pixels)
    return Encoded(data, header)


def image_size(data: bytes) -> Size | None:
    """Width and height that the file declares, as stored; None if its header is not readable."""
    try:
        header = examine(data).header
    except ImageError:
        return None
    return Size(header.width, header.height)


def read_pixels(data: bytes, spec: ImageSpec, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """uint8 [n_features] of the image in ``data``; see ``examine``. Raises ImageError."""
    return examine(data, max_pixels).pixels(spec)


def _read_header(data: bytes, format_name: str) -> Header | jpeg.Frame:
    if format_name == "JPEG":
        return jpeg.read_frame(data)
    return Header(format_name, *_DECODERS[format_name].size(data))


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if not width or not height:
        raise ImageError(f"it has no pixels ({width}x{height})")
    if Image.MAX_IMAGE_PIXELS is not None:
        max_pixels = min(max_pixels, Image.MAX_IMAGE_PIXELS)
    if width * height > max_pixels:
        raise ImageError(f"it has {width}x{height} pixels; the limit is {max_pixels}")
    if max(width, height) > MAX_SIDE:
        raise ImageError(f"it has {width}x{height} pixels; the limit for a side is {MAX_SIDE}")


def _decode(data: bytes, header: Header) -> tuple[Image.Image, int]:
    """The first frame, opaque with 8 bits per channel, and its EXIF orientation."""
    orientation, depth = 1, 8
    if header.format == "PNG":
        data, orientation = png_without_metadata(data)
        depth = data[24]
    try:
        with Image.open(io.BytesIO(data), formats=(header.format,)) as image:
            size = image.size
            if size == (header.width, header.height):
                image.load()
                if header.format == "WebP":
                    orientation = exif_orientation(image.info.get("exif", b""))
                return _opaque(image, depth), orientation
    except Exception as error:
        raise ImageError(_reason(error, header.format)) from error
    raise ImageError(CORRUPT)


def _reason(error: Exception, format_name: str) -> str:
    """Pillow raises anything on damaged bytes; truncated or corrupt is all that helps a client."""
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    if isinstance(error, EOFError) and format_name != "WebP":
        return TRUNCATED
    text = str(error).lower()
    return TRUNCATED if "truncated" in text or "not enough" in text else CORRUPT


def _opaque(image: Image.Image, depth: int) -> Image.Image:
    """On white, in 8 bits; ``depth`` is a PNG's bits per sample."""
    key = image.info.get("transparency")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        # The high byte, as Pillow itself does with 16-bit color.
        gray = (values.clip(0, 0xFFFF) >> 8).astype(np.uint8)
        if isinstance(key, int):
            gray[values == key] = 255
        return Image.fromarray(gray)
    if not image.has_transparency_data:
        return image
    # Pillow scales a PNG's pixels to 8 bits, but not its transparent color.
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
    """Convert, turn and resize. Turning only moves pixels, so it comes after the conversion."""
    if image.mode != spec.mode:
        image = image.convert(spec.mode)
    if orientation != 1:
        image = image.transpose(_UPRIGHT[orientation])
    if image.size != (spec.width, spec.height):
        image = image.resize((spec.width, spec.height), _FILTERS[spec.resize])
    return np.array(image, dtype=np.uint8).reshape(-1)
