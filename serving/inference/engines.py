"""The engines in memory: each loaded once for all who ask, and evicted when there are too many."""

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import internals
from errors import ModelError
from logs.lines import fields
from models.detached import detached, finished, when_done
from models.version import Version
from serving.inference.activity import Activity
from serving.inference.allocator import Spare, share_free_blocks
from serving.inference.decoder import Decoder
from serving.inference.engine import Engine
from serving.inference.extractors import SharedExtractors
from serving.inference.memory import decode_bytes, workers
from serving.inference.photos import PhotoEngine
from serving.inference.plan import cpus_of_worker
from serving.metrics import VERSIONS_REFUSED
from settings import Settings

logger = logging.getLogger("pupila.engines")

# How long a version that failed to load is not tried again, so that repeated requests for it cost
# no more than requests for one that does not exist.
_RETRY_SECONDS = 10.0

# A version that takes longer is left out until it has loaded: its disk may never answer, or its
# graph never end.
_LOAD_SECONDS = 5.0

# An extractor is compiled and timed in a second; on a busy machine in many times that.
_WITH_EXTRACTOR = 4

# One batch of a version runs at a time; this many slow versions can run in parallel.
_CLASSIFIERS = 4


class _Failure(NamedTuple):
    until: float
    reason: str


class Engines:
    """At most ``max_loaded_versions`` engines by their version's tag.

    The least recently used engine is evicted first, but never one that ``pinned`` names.
    """

    def __init__(
        self,
        settings: Settings,
        pinned: Callable[[], Collection[str | None]],
        load_seconds: float = _LOAD_SECONDS,
    ) -> None:
        self._settings = settings
        self._pinned = pinned
        self._load_seconds = load_seconds
        share_free_blocks()
        activity = Activity.of_this_worker(workers(settings).number)
        self._decoder = Decoder(
            settings.max_image_pixels,
            decode_bytes(settings),
            copied=settings.record and not settings.record_originals,
            activity=activity,
            share=cpus_of_worker(settings),
            cpus=internals.available_cpus(),
        )
        self.spare = Spare(lambda: self._decoder.is_idle)
        self._classifiers = ThreadPoolExecutor(_CLASSIFIERS, "classify")
        self._extractors = SharedExtractors(settings, activity)
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Engine]] = {}
        self._failures: dict[str, _Failure] = {}

    def __contains__(self, tag: str | None) -> bool:
        return tag in self._engines

    def close(self) -> None:
        self._decoder.close()
        self._classifiers.shutdown(wait=False, cancel_futures=True)

    def get(self, tag: str) -> Engine | None:
        """The engine of a version, if it is in memory; it counts as used."""
        engine = self._engines.get(tag)
        if engine is not None:
            self._engines.move_to_end(tag)
        return engine

    def peek(self, tag: str | None) -> Engine | None:
        """``get``, without counting as a use."""
        return self._engines.get(tag) if tag is not None else None

    def drop(self, tag: str) -> None:
        """Take a version out of memory, once its last request has ended; not one that is pinned."""
        if tag in self._engines and tag not in self._pinned():
            del self._engines[tag]

    def failure(self, tag: str) -> str | None:
        """Why a version could not be loaded; None if it was, or was not tried."""
        failure = self._failures.get(tag)
        return failure.reason if failure is not None else None

    def forget_all_but(self, tags: Collection[str]) -> None:
        """Drop the versions that no longer exist."""
        for tag in self._engines.keys() - tags:
            del self._engines[tag]
        for tag in self._failures.keys() - tags:
            del self._failures[tag]

    async def load(self, version: Version) -> Engine:
        """The version's engine; the first caller loads it, on a thread, and the others wait.

        Raises ModelError if it cannot be loaded, or takes too long.
        """
        tag = version.tag
        engine = self._engines.get(tag)
        if engine is not None:
            return engine
        failure = self._failures.get(tag)
        if failure is not None and time.monotonic() < failure.until:
            raise ModelError(failure.reason)
        task = self._loading.get(tag)
        if task is None:
            task = self._loading[tag] = asyncio.create_task(self._open(version))
            task.add_done_callback(lambda done: self._loaded(tag, done))
        # Shielded: a client that disconnects must not cancel the load that others wait for.
        return await asyncio.shield(task)

    def evict(self, keep: str) -> None:
        """Drop engines until few enough are left, ``keep`` among them."""
        pinned = {keep, *self._pinned()}
        for tag in list(self._engines):
            if len(self._engines) <= self._settings.max_loaded_versions:
                return
            if tag not in pinned:
                del self._engines[tag]
                logger.info("a version was evicted from memory", extra=_about(tag))

    def _loaded(self, tag: str, task: asyncio.Task[Engine]) -> None:
        del self._loading[tag]
        if not task.cancelled():
            task.exception()  # Retrieved here, because no caller may be left to do it.

    async def _open(self, version: Version) -> Engine:
        tag = version.tag
        loading = detached(f"load {tag}", self._engine, version)
        patience = self._load_seconds
        if version.manifest.extractor is not None:
            patience *= _WITH_EXTRACTOR
        if not await finished(loading, patience):
            reason = f"{tag} has not loaded within {patience:g} s."
            # Not tried again before this attempt has ended; then it counts after all.
            self._fail(tag, _Failure(math.inf, reason))
            when_done(loading, lambda: self._end_late(version, loading))
            raise ModelError(reason)
        return self._keep(version, loading)

    def _engine(self, version: Version) -> Engine:
        parts = (version, self._decoder, self._classifiers, self._settings)
        if version.manifest.extractor is None:
            return Engine(*parts)
        return PhotoEngine(*parts, self._extractors)

    def _end_late(self, version: Version, loading: "Future[Engine]") -> None:
        if version.tag not in self._failures:
            return  # The version was deleted meanwhile.
        try:
            self._keep(version, loading)
        except ModelError as error:
            tag = version.tag
            logger.warning("%s is not served: %s", tag, error, extra=_about(tag))

    def _keep(self, version: Version, loading: "Future[Engine]") -> Engine:
        """Have what was loaded in memory from now on; raises ModelError if it could not be."""
        tag = version.tag
        try:
            engine = loading.result()
        except Exception as error:
            known = isinstance(error, ModelError)
            reason = str(error) if known else f"{tag} failed to load; see the log for the reason."
            failure = _Failure(time.monotonic() + _RETRY_SECONDS, reason)
            self._fail(tag, failure, None if known else error)
            raise ModelError(reason) from error
        self._failures.pop(tag, None)
        self._engines[tag] = engine
        logger.info("a version was loaded", extra=_about(tag))
        self.evict(keep=tag)
        return engine

    def _fail(self, tag: str, failure: _Failure, error: Exception | None = None) -> None:
        if tag not in self._failures:
            VERSIONS_REFUSED.inc()
            logger.warning(
                "%s is not served: %s", tag, failure.reason, exc_info=error, extra=_about(tag)
            )
        self._failures[tag] = failure


def _about(tag: str) -> dict[str, Any]:
    model, _, version = tag.partition(":")
    return fields(model=model, version=version)
