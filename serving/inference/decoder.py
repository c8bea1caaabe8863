"""Decodes image files: small ones inline, large ones on a few threads."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from errors import ClientGoneError, ImageError, OverloadedError, RejectedImageError
from images.copies import decodes_alike
from images.costs import Cost
from images.decoding import Encoded, examine
from images.jpeg import is_brief
from images.spec import ImageSpec
from serving.inference.activity import Activity
from serving.inference.budget import Budget
from serving.inference.inline import InlineTurns
from serving.inference.reduced import ReducedImages
from serving.offloop import LARGE_BYTES, off_loop, on_thread
from serving.tracing.trace import TRACE, clock

# An image that is expected to take longer would block the event loop.
INLINE_SECONDS = 0.003

# The same, of the items of a large batch: there are others to do, and several threads for it.
CROWDED_INLINE_SECONDS = 0.001

# Below these, an image is decoded inline without a look at its cost, which takes 2 µs.
_SMALL_PIXELS = 16_384
_SMALL_BYTES = 65_536

MAX_THREADS: Final = 8
"""Beyond the one that an image which takes long has besides: see ``Budget``."""

# Part of the memory that decoding may take, for what waits to be copied: 14 photos at a quarter
# of 12 megapixels' sides.
_REDUCED_PART = 5

# Weight of the newest image in what is learned of this machine's speed.
_NEWEST = 0.1
_LEAST_PACE = 0.1

# How many times longer than its processor time decoding takes where the machine has others to
# serve; more is a moment's, and no reason to refuse what comes after it.
_MOST_SLOWNESS = 8.0

Features = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Make = Callable[[Pixels], Any]


class Then(NamedTuple):
    """What a thread that has decoded an image goes on to make of its pixels, while others wait for
    the processors; ``seconds``: what that is expected to take."""

    make: Make
    seconds: float


class Decoder:
    """Decodes for all versions of a worker.

    Pillow and simplejpeg release the GIL, so the event loop goes on while threads decode. All that
    they decode at once fits into ``max_bytes`` of memory: an image that does not fit now waits, and
    one that never will is refused. The queue is bounded by the deadlines: an image is refused
    immediately if those ahead of it are expected to take longer than it may wait.
    """

    def __init__(
        self,
        max_pixels: int,
        max_bytes: int,
        *,
        copied: bool = False,
        activity: Activity | None = None,
        share: int = 2,
        cpus: int = 2,
    ) -> None:
        """``copied``: whether copies are made of large images. ``share``: how many processors this
        worker may use of the ``cpus`` of all; it decodes as many images at once, and more while
        others leave theirs."""
        self._max_pixels = max_pixels
        self._activity = activity or Activity()
        self._share, self._cpus = share, cpus
        self._most = min(MAX_THREADS, max(share, cpus))
        self._budget = Budget(max_bytes, self._places)
        self.reduced = ReducedImages(max_bytes // _REDUCED_PART if copied else 0)
        self._threads = ThreadPoolExecutor(self._most + 1, "decode")
        self._pace = 1.0
        self._slowness = 1.0
        self._inline = InlineTurns()

    def _places(self) -> int:
        others = self._activity.count - self._budget.running
        return min(self._most, max(self._share, self._cpus - others))

    @property
    def is_idle(self) -> bool:
        """Whether none of its threads has anything to do."""
        return self._budget.is_idle

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def features(
        self,
        image: bytes,
        spec: ImageSpec,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool = False,
    ) -> Features:
        """float32 [n_features] of an image file, before ``expires``, in ``time.monotonic``'s
        seconds.

        ``in_batch``: whether its request has more of them, which take turns with other requests.
        Raises RejectedImageError for bytes that are not a readable image, OverloadedError when
        there is not enough time, and ClientGoneError.
        """
        features: Features = await self._decoded(
            image, spec, expires, client_gone, in_batch, spec.features
        )
        return features

    async def pixels(
        self,
        image: bytes,
        spec: ImageSpec,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool = False,
        then: Then | None = None,
    ) -> Any:
        """As ``features``, and uint8: what waits for its turn takes a quarter of the memory. Or
        what ``then`` makes of them, if a thread decodes the image for as long as that takes, or
        longer, and others want its processor.
        """
        return await self._decoded(image, spec, expires, client_gone, in_batch, _as_they_are, then)

    async def _decoded(
        self,
        image: bytes,
        spec: ImageSpec,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool,
        make: Make,
        then: Then | None = None,
    ) -> Any:
        """What ``make`` makes of the pixels, or ``then``."""
        trace = TRACE.get()
        began = 0.0 if trace is None else clock()
        ended: float | None = None
        try:
            if len(image) > LARGE_BYTES:
                if is_brief(image):
                    encoded = examine(image, self._max_pixels)
                else:
                    async with _until(expires):
                        encoded = await off_loop(examine, image, self._max_pixels)
                made, ended = await self._on_thread(encoded, spec, make, expires, client_gone, then)
                return made
            known = None
            if not in_batch and len(image) <= _SMALL_BYTES:
                known = examine(image, self._max_pixels)
                if known.pixel_count + spec.n_features <= _SMALL_PIXELS:
                    return make(known.pixels(spec))
            most = INLINE_SECONDS
            if self._inline.is_full:
                most = CROWDED_INLINE_SECONDS
                if in_batch:
                    async with _until(expires):
                        await self._inline.later()
            started = time.perf_counter()
            try:
                encoded = known or examine(image, self._max_pixels)
                if self._is_small(encoded, spec, most):
                    return make(encoded.pixels(spec))
            finally:
                self._inline.took(time.perf_counter() - started)
            made, ended = await self._on_thread(encoded, spec, make, expires, client_gone, then)
        except ImageError as error:
            raise RejectedImageError(str(error)) from None
        else:
            return made
        finally:
            if trace is not None:
                trace.stage("decode", began, ended, **{"pupila.image.size": len(image)})

    def _is_small(self, encoded: Encoded, spec: ImageSpec, most: float) -> bool:
        """Whether it may be decoded inline, where ``most`` seconds are left for it."""
        if (
            encoded.pixel_count + spec.n_features <= _SMALL_PIXELS
            and len(encoded.data) <= _SMALL_BYTES
        ):
            return True
        return encoded.cost(spec).seconds * self._pace < most

    async def _on_thread(
        self,
        encoded: Encoded,
        spec: ImageSpec,
        make: Make,
        expires: float,
        client_gone: Callable[[], bool],
        then: Then | None,
    ) -> tuple[Any, float]:
        """With the time at which it was decoded."""
        cost = encoded.cost(spec)
        if cost.bytes > self._budget.limit:
            raise ImageError(
                f"decoding it takes {_mib(cost.bytes)} MiB of memory; the limit is "
                f"{_mib(self._budget.limit)} MiB"
            )
        expected = cost.seconds * self._pace
        cost = cost._replace(seconds=expected + (then.seconds if then is not None else 0.0))
        # Others on the machine take their part of the processors.
        wait = self._budget.expected_wait * self._slowness
        if wait > expires - time.monotonic():
            raise OverloadedError(
                "The server is busy decoding other images; try again.",
                "deadline",
                retry_after=max(1, round(wait)),
            )
        async with _until(expires):
            await self._budget.acquire(cost)
            self._activity.begin()
            if client_gone():
                self._release(cost)
                raise ClientGoneError("The client disconnected.")
            # Small ones are better off in the lanes, which run several in a row.
            if then is not None and expected >= then.seconds and self._activity.count > 1:
                make = then.make
            # Its memory is free when it ends, which may be long after its client gave up.
            ended = partial(self._release, cost)
            return await on_thread(
                self._threads, ended, self._decode, encoded, spec, make, expected
            )

    def _release(self, cost: Cost) -> None:
        self._budget.release(cost)
        self._activity.end()

    def _decode(
        self, encoded: Encoded, spec: ImageSpec, make: Make, expected: float
    ) -> tuple[Any, float]:
        began, started = time.perf_counter(), time.thread_time()
        keep = None
        if decodes_alike(encoded, spec):
            keep = partial(self.reduced.keep, encoded.data)
        pixels = encoded.pixels(spec, keep)
        seconds, spent = time.perf_counter() - began, time.thread_time() - started
        self._pace = max(_LEAST_PACE, self._pace * (1 + _NEWEST * (spent / expected - 1)))
        if spent > 0:
            slowness = min(_MOST_SLOWNESS, max(1.0, seconds / spent))
            self._slowness += _NEWEST * (slowness - self._slowness)
        ended = clock()
        return make(pixels), ended


def _as_they_are(pixels: Pixels) -> Pixels:
    return pixels


@contextlib.asynccontextmanager
async def _until(expires: float) -> AsyncIterator[None]:
    """Raises OverloadedError if the block takes longer."""
    try:
        async with asyncio.timeout(expires - time.monotonic()):
            yield
    except TimeoutError:
        raise _late() from None


def _late() -> OverloadedError:
    return OverloadedError("The image could not be decoded in time.", "expired")


def _mib(size: int) -> int:
    return math.ceil(size / 2**20)
