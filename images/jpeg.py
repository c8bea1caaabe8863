"""JPEG: the frame header, the parts that make up the picture, and a fast way to small ones.

Pillow takes 34 µs to open an 8×8 JPEG, simplejpeg 3. Both sit on libjpeg-turbo, and the fast way is
taken only where ``agrees_with_pillow`` has found their pixels equal in this very process.
"""

import io
import re
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from errors import ImageError
from images.header import CORRUPT, CROWDED, MAX_BLOCKS, TRUNCATED, exif_orientation

MAX_SCANS: Final = 100
MAX_TABLE_BYTES: Final = 65_536
"""Four tables of each kind take 3 kB; Pillow reads them in Python, 10 MB of them in 0.3 s."""
"""Scans of a progressive JPEG; encoders write about 10. Each costs a pass over all coefficients:
measured, 500 scans in a file of 119 kB took 5 s at 25 megapixels."""

FAST_PIXELS: Final = 256 * 256
"""Above this, simplejpeg is no faster than Pillow (measured: 168 and 169 µs at 256×256)."""

_MARKER: Final = re.compile(rb"\xff[^\x00\xff]")
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES: Final = frozenset((0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE))
_METADATA: Final = frozenset((*range(0xE1, 0xEE), 0xEF, 0xFE))
_SEQUENTIAL: Final = frozenset((0xC0, 0xC1))
_SIMPLE: Final = frozenset((0xC0, 0xC1, 0xC2))


class Frame(NamedTuple):
    """The picture in a JPEG, before decoding: ``width`` and ``height`` before any turning."""

    width: int
    height: int
    layers: int
    orientation: int
    marker: int
    parts: tuple[tuple[int, int], ...]

    @property
    def is_sequential(self) -> bool:
        """Whether each pixel is coded once, not refined scan by scan."""
        return self.marker in _SEQUENTIAL

    def picture(self, data: bytes) -> bytes:
        """The JPEG without metadata: tables, frame and scans, with JFIF and Adobe's colour mark."""
        return b"".join([data[start:end] for start, end in self.parts])


def read_frame(data: bytes) -> Frame:
    """Walks the segments up to the first scan; a few microseconds. Raises ImageError."""
    width = height = layers = frame_marker = tables = 0
    orientation: int | None = None
    parts = [(0, 2)]
    at = 2
    try:
        for _ in range(MAX_BLOCKS):
            marker = data[at + 1]
            if data[at] != 0xFF or marker == 0xFF or marker == 0:
                found = _MARKER.search(data, at)
                if found is None:
                    raise ImageError(TRUNCATED)
                at = found.start()
                marker = data[at + 1]
            length = data[at + 2] << 8 | data[at + 3]
            end = at + 2 + length
            if marker in _TABLES:
                tables += length
                if tables > MAX_TABLE_BYTES:
                    raise ImageError(f"it has more than {MAX_TABLE_BYTES} bytes of tables")
                parts.append((at, end))
            elif marker == 0xDA:
                break
            elif marker in _FRAMES:
                if layers:
                    raise ImageError(CORRUPT)
                if data[at + 4] != 8:
                    raise ImageError(f"{data[at + 4]} bits per colour are not read in a JPEG")
                height = data[at + 5] << 8 | data[at + 6]
                width = data[at + 7] << 8 | data[at + 8]
                layers = data[at + 9]
                frame_marker = marker
                parts.append((at, end))
            elif marker not in _METADATA:
                raise ImageError(CORRUPT)
            elif marker == 0xE1 and orientation is None and data.startswith(b"Exif\0\0", at + 4):
                orientation = exif_orientation(data[at + 4 : end])
            at = end
        else:
            raise ImageError(CROWDED)
    except IndexError:
        raise ImageError(TRUNCATED) from None
    if not layers:
        raise ImageError(CORRUPT)
    # Coded pixels cannot hold an end-of-image marker, so without one there is more to come.
    if data.rfind(b"\xff\xd9", at) < 0:
        raise ImageError(TRUNCATED)
    if frame_marker not in _SEQUENTIAL and data.count(b"\xff\xda\x00", at) > MAX_SCANS:
        raise ImageError(f"it has more than {MAX_SCANS} scans")
    parts.append((at, len(data)))
    return Frame(width, height, layers, orientation or 1, frame_marker, tuple(parts))


def decode_fast(data: bytes, frame: Frame) -> NDArray[np.uint8] | None:
    """uint8 [height, width, 1 or 3] as Pillow decodes it, or None where Pillow is to be asked.

    It is to be asked about large pictures, CMYK, rare codings, and whatever simplejpeg finds any
    fault with: its verdict on damaged files is not Pillow's.
    """
    if (
        frame.width * frame.height > FAST_PIXELS
        or frame.marker not in _SIMPLE
        or frame.layers not in (1, 3)
        or not agrees_with_pillow()
    ):
        return None
    return _decode(data, frame.layers)


def _decode(data: bytes, layers: int) -> NDArray[np.uint8] | None:
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, "GRAY" if layers == 1 else "RGB")
    except ValueError:
        return None
    return pixels


@cache
def agrees_with_pillow() -> bool:
    """Whether simplejpeg and Pillow, as installed, decode some tiny JPEGs to the same bytes.

    They are noise, so that every coefficient counts, of a size that fills no whole block.
    """
    noise = np.random.default_rng(0).integers(0, 256, (19, 21, 3), dtype=np.uint8)
    colour = Image.fromarray(noise)
    return all(
        _same(colour.convert(mode), subsampling, progressive)
        for mode, subsampling in (("L", 0), ("RGB", 0), ("RGB", 1), ("RGB", 2))
        for progressive in (False, True)
    )


def _same(image: Image.Image, subsampling: int, progressive: bool) -> bool:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
    fast = _decode(buffer.getvalue(), len(image.getbands()))
    with Image.open(buffer, formats=("JPEG",)) as opened:
        return fast is not None and fast.tobytes() == opened.tobytes()
