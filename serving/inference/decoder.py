"""Decodes image files: small ones inline, large ones on a few threads."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from errors import ImageError, OverloadedError, RejectedImageError
from images.decoding import Encoded, examine
from images.spec import ImageSpec

# An image that is expected to take longer would block the event loop.
INLINE_SECONDS = 0.003

# How long the inline decoding of one turn of the event loop may take together: the items of a batch
# all decode in one.
TURN_SECONDS = 0.01

# The most that a decoder spends on bytes that are not pixels.
_SECONDS_PER_BYTE = 1e-8

# A large image needs tens of megabytes while it is decoded.
THREADS = 2


class Decoder:
    """Decodes for all versions of a worker.

    Pillow and simplejpeg release the GIL, so the event loop goes on while threads decode. The queue
    for the threads is bounded by the deadlines: an image is refused immediately if those ahead of
    it are expected to take longer than it may wait.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._threads = ThreadPoolExecutor(THREADS, "decode")
        self._waiting_seconds = 0.0
        self._turn_seconds = 0.0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def pixels(self, image: bytes, spec: ImageSpec, expires: float) -> NDArray[np.uint8]:
        """uint8 [n_features] of an image file, before ``expires``, in ``time.monotonic``'s seconds.

        Raises RejectedImageError for bytes that are not a readable image, OverloadedError when
        there is not enough time.
        """
        try:
            encoded = examine(image, self._max_pixels)
            seconds = encoded.seconds + len(image) * _SECONDS_PER_BYTE
            if seconds < INLINE_SECONDS and self._turn_seconds + seconds < TURN_SECONDS:
                if not self._turn_seconds:
                    asyncio.get_running_loop().call_soon(self._end_turn)
                self._turn_seconds += seconds
                return encoded.pixels(spec)
            return await self._on_thread(encoded, spec, seconds, expires)
        except ImageError as error:
            raise RejectedImageError(str(error)) from None

    def _end_turn(self) -> None:
        self._turn_seconds = 0.0

    async def _on_thread(
        self, encoded: Encoded, spec: ImageSpec, seconds: float, expires: float
    ) -> NDArray[np.uint8]:
        wait = self._waiting_seconds / THREADS
        remaining = expires - time.monotonic()
        if wait > remaining:
            raise OverloadedError(
                "The server is busy decoding other images; try again.",
                "deadline",
                retry_after=max(1, round(wait)),
            )
        self._waiting_seconds += seconds
        try:
            async with asyncio.timeout(remaining):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, encoded.pixels, spec)
        except TimeoutError:
            raise OverloadedError("The image could not be decoded in time.", "expired") from None
        finally:
            self._waiting_seconds -= seconds
