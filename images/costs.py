"""What decoding an image takes, in bytes of memory and in seconds, before anything is decoded.

The bytes are an upper bound, of the largest that is held at any moment, and at most half too high
for an image of a megapixel or more; ``python -m bench.decoding`` measures both for each way in
which a format codes pixels.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from images.jpeg import Frame
from images.rendering import BAND_PIXELS, STRIP_PIXELS
from images.spec import ImageSpec


class Cost(NamedTuple):
    """``bytes`` of memory at the most; ``seconds`` of one processor, roughly."""

    bytes: int
    seconds: float


class Coding(NamedTuple):
    """How pixels are coded in a file, and what that takes for each.

    ``bytes``: until the image is decoded. ``held``: from then on. ``seconds``: of both. ``copies``:
    of the file. ``bands``: that a spec may use as they are, if its mode is theirs; 0 if none may.
    ``kept``: of the bytes, that a decoder also takes which decodes at a reduced size; None if it
    always decodes the whole. ``read``: the share of the seconds that such a decoder needs as well.
    """

    bytes: float
    held: float
    seconds: float
    copies: int = 1
    bands: int = 0
    kept: float | None = None
    read: float = 1.0


# Pillow holds a pixel of gray or of a palette in one byte, and of anything else in four.
_ONE: Final = 1.0
_FOUR: Final = 4.0

_PNG: Final = {
    (0, 16): Coding(2, 2, 28e-9),
    (2, 8): Coding(_FOUR, _FOUR, 36e-9),
    (2, 16): Coding(_FOUR, _FOUR, 50e-9),
    (4, 8): Coding(_FOUR, _FOUR, 50e-9),
    (4, 16): Coding(_FOUR, _FOUR, 60e-9),
    (6, 8): Coding(_FOUR, _FOUR, 50e-9),
    (6, 16): Coding(_FOUR, _FOUR, 60e-9),
}
_PNG_ONE_BYTE: Final = Coding(_ONE, _ONE, 20e-9)

# The decoder has two canvases for animations, and hands out a copy of one.
_WEBP: Final = Coding(12, _FOUR, 45e-9, copies=2)

# A second byte where the frame is to be disposed of.
_GIF: Final = Coding(2, 2, 25e-9, copies=0)

_FIXED_BYTES: Final = 1_000_000

# What libjpeg holds besides, which counts where little else is held.
_REDUCER_BYTES: Final = 1_000_000

# The most that a decoder spends on bytes that are not pixels.
_SECONDS_PER_BYTE: Final = 1e-8


def _png(data: bytes) -> Coding:
    color, depth = data[25], data[24]
    coding = _PNG.get((color, depth), _PNG_ONE_BYTE)
    bands = {(0, 8): 1, (2, 8): 3, (2, 16): 3}.get((color, depth), 0)
    # Wherever these letters stand: an upper bound.
    if bands and (data.find(b"tRNS") >= 0 or data.find(b"eXIf") >= 0):
        bands = 0
    return coding._replace(bands=bands)


def _bmp(data: bytes) -> Coding:
    bits = data[24] if data[14] == 12 else data[28]
    each = _ONE if bits <= 8 else _FOUR
    # Pillow drops the fourth byte, unless a mask says that it is alpha.
    is_color = bits == 24 or (bits == 32 and data[30] == 0)
    return Coding(each, each, 8e-9, copies=0, bands=3 if is_color else 0)


CODINGS: Final[Mapping[str, Callable[[bytes], Coding]]] = {
    "PNG": _png,
    "WebP": lambda _: _WEBP,
    "BMP": _bmp,
    "GIF": lambda _: _GIF,
}


def jpeg_coding(frame: Frame) -> Coding:
    """Coefficients of all pixels are held if there are several scans, two bytes each."""
    each = _ONE if frame.components == 1 else _FOUR
    bands = frame.components if frame.orientation == 1 else 0
    if frame.is_one_scan:
        seconds = 4e-9 + 4e-9 * frame.components
        return Coding(each, each, seconds, bands=bands, kept=0, read=0.22)
    seconds = 10e-9 + 10e-9 * frame.coefficients
    kept = 2 * frame.coefficients
    return Coding(each + kept, each, seconds, bands=bands, kept=kept, read=0.45)


def cost_of(
    coding: Coding,
    width: int,
    height: int,
    size: int,
    spec: ImageSpec,
    by: int,
) -> Cost:
    """The cost of a file of ``size`` bytes, of its decoding and of all that the spec asks for.

    ``by``: how many times less the sides are decoded.
    """
    pixels = width * height
    small = -(-width // by) * -(-height // by)
    side = max(width, height) / by
    channel_bytes = 1 if spec.mode == "L" else 4
    # Pillow's intermediate image of the spec's width, and the pixels and features at last.
    resized = spec.width * side * channel_bytes
    made = spec.width * spec.height * channel_bytes + 5 * spec.n_features
    converted = 0
    if coding.bands != spec.channels:
        converted = channel_bytes if small <= BAND_PIXELS else 1
    seconds = coding.seconds * pixels
    if by == 1:
        decoded, held = coding.bytes * pixels, coding.held * pixels
    elif coding.kept is None:
        decoded, held = coding.bytes * pixels, coding.held * pixels + channel_bytes * small
    else:
        decoded = coding.kept * pixels + (coding.bytes - coding.kept) * small
        held = coding.held * small + _REDUCER_BYTES
        seconds = coding.seconds * (coding.read * pixels + (1 - coding.read) * small)
    largest = max(decoded, held + converted * small + resized)
    rows = by if by > 1 and coding.kept is None else 1
    strips = min(pixels, max(STRIP_PIXELS, rows * max(width, height))) * 20
    memory = int(
        largest + strips + made + coding.copies * size + 100 * max(width, height) + _FIXED_BYTES
    )
    seconds += 10e-9 * spec.n_features + 3e-9 * spec.width * side + _SECONDS_PER_BYTE * size
    return Cost(memory, seconds)
