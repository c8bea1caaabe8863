"""Turns image files into pixels: small ones at once, large ones on a thread of a few."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from errors import ImageError, OverloadedError, RejectedImageError
from images.decoding import Encoded, examine
from images.spec import ImageSpec

# An image expected to take longer would hold the event loop for as long.
INLINE_SECONDS = 0.003

# What a decoder spends on bytes that are not pixels, at worst.
_SECONDS_PER_BYTE = 1e-8

# A large image takes tens of megabytes while it is decoded.
THREADS = 2


class Decoder:
    """Decodes for all versions of a worker.

    Pillow and simplejpeg release the GIL, so the event loop goes on while threads decode. What
    waits for a thread is bounded by its deadline: an image is refused at once if those ahead of it
    are expected to take longer.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._threads = ThreadPoolExecutor(THREADS, "decode")
        self._waiting_seconds = 0.0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def pixels(self, image: bytes, spec: ImageSpec, expires: float) -> NDArray[np.uint8]:
        """uint8 [n_features] of an image file, before ``expires``, in ``time.monotonic``'s seconds.

        Raises RejectedImageError for an image that is none, OverloadedError when there is no time.
        """
        try:
            encoded = examine(image, self._max_pixels)
            seconds = encoded.seconds + len(image) * _SECONDS_PER_BYTE
            if seconds < INLINE_SECONDS:
                return encoded.pixels(spec)
            return await self._on_thread(encoded, spec, seconds, expires)
        except ImageError as error:
            raise RejectedImageError(str(error)) from None

    async def _on_thread(
        self, encoded: Encoded, spec: ImageSpec, seconds: float, expires: float
    ) -> NDArray[np.uint8]:
        wait = self._waiting_seconds / THREADS
        left = expires - time.monotonic()
        if wait > left:
            raise OverloadedError(
                "The images ahead of this one leave no time for it; try again.",
                "deadline",
                retry_after=max(1, round(wait)),
            )
        self._waiting_seconds += seconds
        try:
            async with asyncio.timeout(left):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, encoded.pixels, spec)
        except TimeoutError:
            raise OverloadedError("The image could not be decoded in time.", "expired") from None
        finally:
            self._waiting_seconds -= seconds
