"""JPEG: the frame header, stripping of metadata, and a fast decoder for small images.

Pillow takes 34 µs to open an 8×8 JPEG, simplejpeg 3. Both use libjpeg-turbo; simplejpeg is used
only where ``agrees_with_pillow`` has found equal pixels in this very process.
"""

import io
import re
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from errors import ImageError
from images.header import CORRUPT, MAX_BLOCKS, TOO_MANY_BLOCKS, TRUNCATED, exif_orientation

MAX_SCANS: Final = 100
"""Limit of scans in a JPEG with several; encoders write about 10. Each costs a pass over all
coefficients: 500 scans in a file of 119 kB took 5 s at 25 megapixels."""

MAX_TABLE_BYTES: Final = 65_536
"""Four tables of each kind take 3 kB; Pillow parses them in Python, 10 MB of them in 0.3 s."""

FAST_PIXELS: Final = 256 * 256
"""Above this, simplejpeg is no faster than Pillow (measured: 168 and 169 µs at 256×256)."""

# Of longer sides, a half is not also three eighths, rounded up, which simplejpeg would choose.
_TOLD_APART: Final = 8

MAX_FILL_BYTES: Final = 65_536
"""Limit of bytes between segments, where there should be none: to search 10 MB takes 0.2 s."""

# More than photos have; after its end a file may have a preview.
_BRIEF_SEGMENTS: Final = 40
_BRIEF_END: Final = 65_536

_MARKER: Final = re.compile(rb"\xff[^\x00\xff]")
_BLOCK_BYTES: Final = 2**20
# How much is searched at a time: another thread may run in between.
_WINDOW: Final = 1_000_000
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES: Final = frozenset((0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE))
_METADATA: Final = frozenset((*range(0xE1, 0xEE), 0xEF, 0xFE))
_SEQUENTIAL: Final = frozenset((0xC0, 0xC1))
_HUFFMAN: Final = frozenset((0xC0, 0xC1, 0xC2))


class Frame(NamedTuple):
    """A JPEG's header: ``width`` and ``height`` as stored, before the orientation is applied.

    ``parts`` are the ranges of bytes that hold the image data. ``sampling`` has a byte for each
    component: how often it is sampled across a block, times 16, and down.
    """

    width: int
    height: int
    components: int
    orientation: int
    marker: int
    scanned: int
    sampling: bytes
    parts: tuple[tuple[int, int], ...]

    @property
    def is_sequential(self) -> bool:
        """Whether each pixel is coded once, not refined scan by scan."""
        return self.marker in _SEQUENTIAL

    @property
    def is_one_scan(self) -> bool:
        """Whether the first scan has all of the image, which is then decoded row by row."""
        return self.is_sequential and self.scanned == self.components

    @property
    def coefficients(self) -> float:
        """Coefficients for each pixel, 1 to 4: color is often sampled more coarsely."""
        sampled = [(byte >> 4) * (byte & 15) for byte in self.sampling]
        across = max((byte >> 4 for byte in self.sampling), default=0)
        down = max((byte & 15 for byte in self.sampling), default=0)
        # Sampling factors of 0 are no JPEG's; the decoder says so.
        return sum(sampled) / max(across * down, 1)

    def without_metadata(self, data: bytes) -> bytes:
        """The JPEG's tables, frame and scans, with its JFIF and Adobe color markers."""
        return b"".join([data[start:end] for start, end in self.parts])


def read_frame(data: bytes) -> Frame:
    """Read the segments up to the first scan, in a few microseconds. Raises ImageError."""
    width = height = components = frame_marker = scanned = table_bytes = 0
    sampling = b""
    fill = MAX_FILL_BYTES
    orientation: int | None = None
    parts = [(0, 2)]
    offset = 2
    try:
        for _ in range(MAX_BLOCKS):
            marker = data[offset + 1]
            if data[offset] != 0xFF or marker == 0xFF or marker == 0:
                match = _MARKER.search(data, offset, offset + fill)
                if match is None:
                    raise ImageError(TRUNCATED if offset + fill >= len(data) else CORRUPT)
                fill -= match.start() - offset
                offset = match.start()
                marker = data[offset + 1]
            length = data[offset + 2] << 8 | data[offset + 3]
            end = offset + 2 + length
            if marker in _TABLES:
                table_bytes += length
                if table_bytes > MAX_TABLE_BYTES:
                    raise ImageError(f"it has more than {MAX_TABLE_BYTES} bytes of tables")
                parts.append((offset, end))
            elif marker == 0xDA:
                scanned = data[offset + 4]
                break
            elif marker in _FRAMES:
                if components:
                    raise ImageError(CORRUPT)
                bits = data[offset + 4]
                if bits != 8:
                    raise ImageError(f"it is a JPEG of {bits} bits per color, not of 8")
                height = data[offset + 5] << 8 | data[offset + 6]
                width = data[offset + 7] << 8 | data[offset + 8]
                components = data[offset + 9]
                sampling = data[offset + 11 : end : 3][:components]
                frame_marker = marker
                parts.append((offset, end))
            elif marker not in _METADATA:
                raise ImageError(CORRUPT)
            elif (
                marker == 0xE1 and orientation is None and data.startswith(b"Exif\0\0", offset + 4)
            ):
                orientation = exif_orientation(data[offset + 4 : end])
            offset = end
        else:
            raise ImageError(TOO_MANY_BLOCKS)
    except IndexError:
        raise ImageError(TRUNCATED) from None
    if not components:
        raise ImageError(CORRUPT)
    # Coded pixels cannot contain an end-of-image marker, so a file without one is cut short.
    if not _has_end(data, offset):
        raise ImageError(TRUNCATED)
    is_one_scan = frame_marker in _SEQUENTIAL and scanned == components
    if not is_one_scan and _scans(data, offset) > MAX_SCANS:
        raise ImageError(f"it has more than {MAX_SCANS} scans")
    parts.append((offset, len(data)))
    return Frame(
        width,
        height,
        components,
        orientation or 1,
        frame_marker,
        scanned,
        sampling,
        tuple(parts),
    )


def is_brief(data: bytes) -> bool:
    """Whether ``read_frame`` takes microseconds, however large the file: of a JPEG with few
    segments, one scan, and its end where it should be."""
    offset = 2
    components = 0
    for _ in range(_BRIEF_SEGMENTS):
        segment = data[offset : offset + 10]
        if len(segment) < 10 or segment[0] != 0xFF:
            break
        if segment[1] == 0xDA:
            return segment[4] == components and _has_end(data, max(offset, len(data) - _BRIEF_END))
        if segment[1] in _FRAMES:
            components = segment[9] if segment[1] in _SEQUENTIAL else 0
        offset += 2 + (segment[2] << 8 | segment[3])
    return False


def _has_end(data: bytes, start: int) -> bool:
    """Whether an end-of-image marker stands anywhere after ``start``."""
    end = len(data)
    while end - start > _WINDOW:
        if data.rfind(b"\xff\xd9", end - _WINDOW, end) >= 0:
            return True
        end -= _WINDOW - 1
    return data.rfind(b"\xff\xd9", start, end) >= 0


def _scans(data: bytes, start: int) -> int:
    """Scans from ``start`` on; stops counting above the limit."""
    scans = 0
    while start < len(data) and scans <= MAX_SCANS:
        scans += data.count(b"\xff\xda\x00", start, start + _WINDOW + 2)
        start += _WINDOW
    return scans


def decode_fast(
    data: bytes, frame: Frame, by: int = 1, gray: bool = False
) -> NDArray[np.uint8] | None:
    """uint8 [height, width, 1 or 3] as Pillow decodes it, or None where Pillow has to decode it.

    ``by``: 1, 2, 4 or 8 times less the sides, rounded up; ``gray``: the luma alone. Pillow decodes
    large images, CMYK, rare codings, and whatever simplejpeg rejects: the two do not agree on
    damaged files.
    """
    if (
        frame.width * frame.height > FAST_PIXELS
        or frame.marker not in _HUFFMAN
        or frame.components not in (1, 3)
        or (by > 1 and max(frame.width, frame.height) < _TOLD_APART)
        or not agrees_with_pillow()
    ):
        return None
    sides = (frame.width, frame.height) if by > 1 else (0, 0)
    return _decode(data, 1 if gray else frame.components, sides, by)


def draft(image: ImageFile, by: int, gray: bool) -> None:
    """Have Pillow decode an opened JPEG at ``by`` times less its sides; ``gray``: only its luma."""
    # By itself it takes in 64 KiB at a time, each copied three times and with the interpreter's
    # lock: 0.6 of 31 ms for a photo of two megabytes, and 30 turns with other threads.
    image.decodermaxblock = _BLOCK_BYTES
    if by > 1:
        sides = (max(1, image.width // by), max(1, image.height // by))
        image.draft("L" if gray else None, sides)


def _decode(
    data: bytes, components: int, sides: tuple[int, int] = (0, 0), by: int = 1
) -> NDArray[np.uint8] | None:
    try:
        mode = "GRAY" if components == 1 else "RGB"
        if by == 1:
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, mode)
        else:
            across, down = (-(-side // by) for side in sides)
            pixels = simplejpeg.decode_jpeg(
                data, mode, min_height=down, min_width=across, min_factor=by
            )
    except ValueError:
        return None
    return pixels


@cache
def agrees_with_pillow() -> bool:
    """Whether simplejpeg and Pillow, as installed, decode some tiny JPEGs to the same bytes.

    The images are noise, so that every coefficient counts, and not a multiple of a block's size.
    """
    noise = np.random.default_rng(0).integers(0, 256, (19, 21, 3), dtype=np.uint8)
    color = Image.fromarray(noise)
    return all(
        _same(color.convert(mode), subsampling, progressive)
        for mode, subsampling in (("L", 0), ("RGB", 0), ("RGB", 1), ("RGB", 2))
        for progressive in (False, True)
    )


def _same(image: Image.Image, subsampling: int, progressive: bool) -> bool:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
    components = len(image.getbands())
    for by, gray in ((1, False), (2, False), (4, True), (8, False)):
        fast = _decode(buffer.getvalue(), 1 if gray else components, image.size, by)
        with Image.open(buffer, formats=("JPEG",)) as opened:
            draft(opened, by, gray)
            if fast is None or fast.tobytes() != opened.tobytes():
                return False
    return True
