"""Puts small copies in place of large images before they are written, on the recorder's thread."""

import math
import time
from collections.abc import Callable
from typing import Final

from errors import ImageError
from images.copies import make_copy
from images.decoding import examine
from images.spec import ImageSpec
from records.prediction import KeptPrediction
from serving.inference.memory import decode_bytes
from serving.inference.reduced import ReducedImages
from serving.recording.allowance import Allowance
from settings import Settings

SHARE: Final = 0.2
"""Of one processor's time that a worker may spend on copies: of the images beyond that, the
originals are kept."""

# What is smaller already.
_SMALL_BYTES: Final = 100_000


class Copier:
    """``clock``: of the seconds since any time; ``spent``: of the processor's for this thread."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        self._is_on = not settings.record_originals
        self._max_pixels = settings.max_image_pixels
        # Besides what images of requests take: in a container of 512 MiB enough for 12 megapixels.
        # With half of it, CMYK of 25 megapixels from 32 clients had a worker killed.
        self._max_bytes = decode_bytes(settings) // 4
        self._sources: dict[tuple[str, str], tuple[ImageSpec, ReducedImages | None]] = {}
        self._clock, self._spent = clock, spent
        self._allowance = Allowance(60 * SHARE, clock())

    def learn(
        self, model: str, version: str, spec: ImageSpec, reduced: ReducedImages | None = None
    ) -> None:
        """What images are for, and where they may be decoded already; from any thread."""
        self._sources[model, version] = spec, reduced

    def copy(self, prediction: KeptPrediction, *, hurried: bool = False) -> int:
        """Replace the image of an accepted prediction, if it is much too large and there is time;
        returns the bytes that it has become smaller by. ``hurried``: only if it is decoded already,
        since then the original would take longer to write."""
        image = prediction.image
        source = self._sources.get((prediction.model, prediction.version))
        if image is None or source is None or len(image) < _SMALL_BYTES or not self._is_on:
            return 0
        if prediction.status != 200 or self._allowance.wait(math.ulp(1.0), self._clock()):
            return 0
        spec, reduced = source
        decoded = reduced.take(image) if reduced is not None else None
        if hurried and decoded is None:
            return 0
        begun = self._spent()
        try:
            copy = make_copy(examine(image, self._max_pixels), spec, self._max_bytes, decoded)
        except ImageError:
            copy = None
        self._allowance.take(self._spent() - begun)
        if copy is None:
            return 0
        prediction.image = copy
        return len(image) - len(copy)
