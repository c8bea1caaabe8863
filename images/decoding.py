"""Decoding: from the bytes of an image file to the pixels that an image spec asks for.

Every file goes through the same steps: take the first frame, turn it upright as EXIF says, put it
on white, reduce it to 8 bits, convert it to the spec's mode, and resize it with the spec's filter
if the size differs. Where the spec says so, a large one is decoded at a reduced size.
"""

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO, Final, NamedTuple, TypeVar, cast

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

import internals
from errors import ImageError, TooLargeImageError
from images import costs, jpeg
from images.costs import Cost
from images.formats import sniff
from images.geometry import place, upright
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
from images.note import original_size, times_smaller
from images.parts import Parts
from images.rendering import render, shrink
from images.spec import ImageSpec
from images.specfields import Mode

MAX_PIXELS: Final = 25_000_000
MAX_SIDE: Final = 65_535
"""Resizing a line of 25 million pixels took Pillow 6 s; a JPEG or GIF cannot have a longer one."""


_SIZES: Final = {"PNG": png_size, "WebP": webp_size, "BMP": bmp_size, "GIF": gif_size}
"""JPEG has a module of its own."""


class Header(NamedTuple):
    """``format`` is a format's name; ``width`` and ``height`` in pixels, as stored."""

    format: str
    width: int
    height: int


class Decoded(NamedTuple):
    """An image as stored, maybe at a reduced size; ``depth``: a PNG's bits per sample."""

    image: Image.Image
    orientation: int
    depth: int = 8


Made = TypeVar("Made")


class Encoded(NamedTuple):
    """An image file whose header was read and accepted; nothing is decoded yet."""

    data: bytes
    header: Header | jpeg.Frame

    @property
    def pixel_count(self) -> int:
        return self.header.width * self.header.height

    @property
    def orientation(self) -> int | None:
        """As EXIF has it; None if only decoding tells."""
        if isinstance(self.header, jpeg.Frame):
            return self.header.orientation
        return None if self.header.format in ("PNG", "WebP") else 1

    @property
    def is_gray(self) -> bool:
        """Whether it says so before it is decoded."""
        if isinstance(self.header, jpeg.Frame):
            return self.header.components == 1
        # A PNG's color type.
        return self.header.format == "PNG" and self.data[25] in (0, 4)

    def reduction(self, spec: ImageSpec) -> int:
        """By how many times less its sides are decoded for a spec, at least."""
        if spec.decoding == "full":
            return 1
        sides = Size(self.header.width, self.header.height)
        if isinstance(self.header, jpeg.Frame):
            by = place(*upright(*sides, self.header.orientation), spec).reduction
            original = original_size(self.data) if by > 1 else None
            if original and (copied := times_smaller(sides, original)):
                # The same in all as its original.
                by = max(1, place(*copied[1], spec).reduction // copied[0])
            return by
        if self.orientation is not None:
            return place(*sides, spec).reduction
        return min(place(*sides, spec).reduction, place(*sides[::-1], spec).reduction)

    def cost(self, spec: ImageSpec, by: int | None = None) -> Cost:
        """What ``pixels`` will take; ``by``: if another reduction is not the spec's."""
        header = self.header
        if isinstance(header, Header):
            coding = costs.CODINGS[header.format](self.data)
        else:
            coding = costs.jpeg_coding(header)
        return costs.cost_of(
            coding,
            header.width,
            header.height,
            len(self.data),
            spec,
            self.reduction(spec) if by is None else by,
        )

    def pixels(
        self, spec: ImageSpec, seen: Callable[[Decoded], None] | None = None
    ) -> NDArray[np.uint8]:
        """uint8 [n_features]: row by row, channels last; raises ImageError.

        ``seen`` is given a JPEG as it was decoded at a reduced size; it must not change it.
        """
        header = self.header
        # Functions in here would have their annotations evaluated for each image: 5 µs.
        if isinstance(header, Header):
            return _decode(self.data, header, partial(self._rendered, spec, None, None))
        by = self.reduction(spec)
        gray = by > 1 and spec.mode == "L" and header.components == 3
        fast = jpeg.decode_fast(self.data, header, by, gray)
        if fast is None:
            finish = partial(self._rendered, spec, by, seen)
            return _decode_jpeg(self.data, header, by, gray, finish)
        if (
            header.orientation == 1
            and header.width == spec.width
            and header.height == spec.height
            and header.components == spec.channels
            and spec.shortest is None
        ):
            return fast.reshape(-1)
        image = Image.fromarray(fast[:, :, 0] if fast.shape[2] == 1 else fast)
        return self._rendered(spec, by, seen, Decoded(image, header.orientation))

    def each(self, specs: Sequence[ImageSpec]) -> list[NDArray[np.uint8]]:
        """As ``pixels`` of each spec, decoded once if none of them decodes at a reduced size."""
        header = self.header
        if any(self.reduction(spec) > 1 for spec in specs):
            return [self.pixels(spec) for spec in specs]
        by = None if isinstance(header, Header) else 1

        def finish(decoded: Decoded) -> list[NDArray[np.uint8]]:
            return [self._rendered(spec, by, None, decoded) for spec in specs]

        if isinstance(header, Header):
            return _decode(self.data, header, finish)
        return _decode_jpeg(self.data, header, 1, False, finish)

    def _rendered(
        self,
        spec: ImageSpec,
        by: int | None,
        seen: Callable[[Decoded], None] | None,
        decoded: Decoded,
    ) -> NDArray[np.uint8]:
        image, orientation, depth = decoded
        if seen is not None and by is not None and by > 1:
            seen(decoded)
        sides = self.header.width, self.header.height
        return render(image, spec, orientation, depth, sides, by)

    def reduced(self, by: int) -> Image.Image:
        """The image on white, in 8 bits and upright, in gray or color, with ``by`` times less its
        sides, rounded up: 2, 4 or 8. Raises ImageError."""
        mode: Mode = "L" if self.is_gray else "RGB"
        header = self.header

        def finish(decoded: Decoded) -> Image.Image:
            whole = decoded.image.size == (header.width, header.height)
            return shrink(*decoded, mode, by if whole else 1)

        if isinstance(header, Header):
            return _decode(self.data, header, finish)
        return _decode_jpeg(self.data, header, by, False, finish)


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
    return Header(format_name, *_SIZES[format_name](data))


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if not width or not height:
        raise ImageError(f"it has no pixels ({width}x{height})")
    if Image.MAX_IMAGE_PIXELS is not None:
        max_pixels = min(max_pixels, Image.MAX_IMAGE_PIXELS)
    if width * height > max_pixels:
        raise TooLargeImageError(f"it has {width}x{height} pixels; the limit is {max_pixels}")
    if max(width, height) > MAX_SIDE:
        raise TooLargeImageError(
            f"it has {width}x{height} pixels; the limit for a side is {MAX_SIDE}"
        )


def _decode_jpeg(
    data: bytes, frame: jpeg.Frame, by: int, gray: bool, finish: Callable[[Decoded], Made]
) -> Made:
    """What is made of a JPEG; ``by`` and ``gray``: of ``jpeg.draft``."""
    try:
        parts = cast("IO[bytes]", Parts(data, frame.parts))
        with Image.open(parts, formats=("JPEG",)) as image:
            _check_sides(image, frame)
            jpeg.draft(image, by, gray)
            image.load()
            return finish(Decoded(image, frame.orientation))
    except Exception as error:
        raise ImageError(_reason(error, "JPEG")) from error


def _decode(data: bytes, header: Header, finish: Callable[[Decoded], Made]) -> Made:
    """What is made of the first frame of another file."""
    orientation, depth = 1, 8
    if header.format == "PNG":
        data, orientation = png_without_metadata(data)
        depth = data[24]
    try:
        with Image.open(io.BytesIO(data), formats=(header.format,)) as image:
            _check_sides(image, header)
            if header.format == "WebP":
                orientation = exif_orientation(image.info.get("exif", b""))
                mode, frame = internals.webp_frame(image)
                # A view of the frame's bytes, where Pillow itself would make a copy.
                still = Image.frombuffer(mode, image.size, frame, "raw", mode, 0, 1)
                return finish(Decoded(still, orientation))
            image.load()
            return finish(Decoded(image, orientation, depth))
    except Exception as error:
        raise ImageError(_reason(error, header.format)) from error


def _check_sides(image: Image.Image, header: Header | jpeg.Frame) -> None:
    if image.size != (header.width, header.height):
        raise ValueError(CORRUPT)


def _reason(error: Exception, format_name: str) -> str:
    """Pillow raises anything on damaged bytes; truncated or corrupt is all that helps a client."""
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    if isinstance(error, EOFError) and format_name != "WebP":
        return TRUNCATED
    text = str(error).lower()
    return TRUNCATED if "truncated" in text or "not enough" in text else CORRUPT
