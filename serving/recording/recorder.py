"""Keeps a sample of what was predicted, and counts all of it, beside the hot path.

The hooks run in the event loop, for 1 to 2 µs each. Twice a second, what they found is handed to a
thread; see ``serving/recording/flusher.py``. Nothing here can fail a prediction, or make it wait.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from random import Random

from errors import DatabaseError
from serving.inference.batcher import Answer
from serving.inference.engine import Engine
from serving.metrics import RECORDS_DROPPED
from serving.recording.connection import RecordsConnection
from serving.recording.flusher import Batch, Draft, Flusher
from serving.recording.sampling import WINDOW_SECONDS, Reservoir, Sampled, Sampler
from serving.recording.traffic import Tally, minute_of
from settings import Settings

logger = logging.getLogger("pupila.records")

# Counts are handed over this often, and at the end of every minute.
_COUNT_SECONDS = 4.0

# How long a server that stops goes on writing.
_STOP_SECONDS = 3.0

# How long somebody who asks for a prediction waits for it to be in the database.
_SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Lane:
    """Where what one version answers goes. ``unsure``: below which confidence; 0 if it has none."""

    tally: Tally
    sampler: Sampler[Draft]
    unsure: float


class Recorder:
    """One worker's; its methods are the event loop's."""

    def __init__(self, settings: Settings, records: RecordsConnection, workers: int) -> None:
        self._rate = settings.record_rate
        self._per_minute = settings.record_per_minute / workers
        self._unsure = settings.record_unsure
        self._max_bytes = settings.record_buffer_bytes
        self._random = Random()  # noqa: S311 - nothing is kept secret by it
        self._flusher = Flusher(records)
        self._samplers: dict[str, Sampler[Draft]] = {}
        self._lanes: dict[Engine | None, _Lane] = {}
        self._held = 0
        self._counted = 0.0
        self._minute = minute_of(time.time())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write what is found, until the block ends; then the rest, for some seconds at most."""
        self._flusher.start()
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
            self._hand_over(self._close(last=True), count=True)
            await asyncio.to_thread(self._flusher.stop, _STOP_SECONDS)

    def predicted(
        self,
        engine: Engine,
        request_id: str | int | None,
        image: bytes,
        answer: Answer,
        seconds: float | None = None,
    ) -> None:
        """An image that got its label; after ``seconds``, if it was a request of its own."""
        lane = self._lanes.get(engine) or self._open(engine)
        scores, index = answer
        tally = lane.tally
        tally.places[index] += 1
        if seconds is not None:
            tally.times.append(seconds)
        if lane.unsure and scores.item(index) < lane.unsure:
            reservoir = lane.sampler.unsure
        else:
            reservoir = lane.sampler.ordinary
        if reservoir.left:
            # As choose() would, at a third of its cost.
            reservoir.left -= 1
            return
        chosen = reservoir.choose()
        if chosen >= 0:
            self._keep(reservoir, chosen, engine, request_id, image, answer=answer)

    def rejected(
        self, engine: Engine, request_id: str | int | None, image: bytes, reason: str
    ) -> None:
        """An image that is none that we read, for ``reason``."""
        reservoir = (self._lanes.get(engine) or self._open(engine)).sampler.rejected
        chosen = reservoir.choose()
        if chosen >= 0:
            self._keep(reservoir, chosen, engine, request_id, image, reason=reason)

    def failed(self, engine: Engine | None, status: int) -> None:
        """An image that got no label, or a request that was answered before its images."""
        (self._lanes.get(engine) or self._open(engine)).tally.statuses[status] += 1

    def took(self, engine: Engine | None, seconds: float) -> None:
        """A request that was answered, whatever the answer."""
        (self._lanes.get(engine) or self._open(engine)).tally.times.append(seconds)

    async def settle(self, request_ids: Collection[str]) -> None:
        """See that what this worker knows of these is in the database.

        Raises RecordsError if it cannot be written now.
        """
        now = time.monotonic()
        asked = [
            sampled
            for sampler in self._samplers.values()
            if any(draft.request_id in request_ids for draft in sampler.items())
            for sampled in sampler.close(now, early=True)
        ]
        if not asked and not self._flusher.busy:
            return
        written: Future[None] = Future()
        self._flusher.put(Batch(asked, written=written))
        try:
            await asyncio.wait_for(asyncio.wrap_future(written), _SETTLE_SECONDS)
        except TimeoutError:
            raise DatabaseError("The database is slow; try again.") from None

    def _open(self, engine: Engine | None) -> _Lane:
        model, version = (engine.version.name, engine.version.version) if engine else ("", "")
        if model not in self._samplers:
            now = time.monotonic()
            self._samplers[model] = Sampler(self._per_minute, self._rate, now, self._random)
        manifest = engine.manifest if engine else None
        lane = self._lanes[engine] = _Lane(
            Tally(model, version, manifest.labels if manifest else ()),
            self._samplers[model],
            self._unsure if manifest and manifest.gives_probabilities else 0.0,
        )
        return lane

    def _keep(
        self,
        reservoir: Reservoir[Draft],
        place: int,
        engine: Engine,
        request_id: str | int | None,
        image: bytes,
        answer: Answer | None = None,
        reason: str | None = None,
    ) -> None:
        probabilities = None
        if answer is not None and engine.manifest.gives_probabilities:
            # A copy: the scores are a part of their whole batch's.
            probabilities = answer.scores.astype("<f4", copy=False).tobytes()
        draft = Draft(
            at=time.time(),
            request_id=str(request_id),
            model=engine.version.name,
            version=engine.version.version,
            status=200 if answer is not None else 400,
            reason=reason,
            label=engine.manifest.labels[answer.label_index] if answer is not None else None,
            probabilities=probabilities,
            image=image,
        )
        if self._held + draft.size - self._flusher.released > self._max_bytes:
            RECORDS_DROPPED.labels("memory").inc()
            return
        replaced = reservoir.put(place, draft)
        self._held += draft.size - (replaced.size if replaced is not None else 0)

    async def _tick(self) -> None:
        while True:
            # To the end of the minute and no further: counts belong to the minute they are of.
            await asyncio.sleep(min(WINDOW_SECONDS, 60 - time.time() % 60))
            drafts = self._close()
            now = time.monotonic()
            count = minute_of(time.time()) != self._minute or now - self._counted >= _COUNT_SECONDS
            if count:
                self._counted = now
            self._hand_over(drafts, count=count)

    def _close(self, *, last: bool = False) -> list[Sampled[Draft]]:
        now = time.monotonic()
        return [
            sampled
            for sampler in self._samplers.values()
            for sampled in sampler.close(now, last=last)
        ]

    def _hand_over(self, drafts: list[Sampled[Draft]], *, count: bool) -> None:
        tallies: list[Tally] = []
        if count:
            lanes, self._lanes = self._lanes, {}
            tallies = [lane.tally for lane in lanes.values()]
        if drafts or tallies:
            self._flusher.put(Batch(drafts, tallies, self._minute))
        if count:
            self._minute = minute_of(time.time())
