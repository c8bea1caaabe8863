"""Keeps a sample of the predictions and counts all requests, off the hot path.

The hooks run in the event loop and take 1 to 2 µs each. Twice a second, a thread takes over what
they collected; see ``serving/recording/flusher.py``. Nothing here can fail or delay a prediction.
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
from records.prediction import KeptPrediction
from records.routing import CHAMPION, Pair
from serving.background import background
from serving.inference.batcher import Answer
from serving.inference.engine import Engine
from serving.inference.honesty import Said
from serving.recording.connection import RecordsConnection
from serving.recording.copier import Copier
from serving.recording.flusher import Flusher
from serving.recording.handover import Handover
from serving.recording.ledger import Ledger
from serving.recording.making import made
from serving.recording.pairs import Pairs
from serving.recording.sampling import WINDOW_SECONDS, Reservoir, Sampled, Sampler
from serving.recording.scout import Passed, Scout
from serving.recording.tally import Tally, minute_of
from settings import Settings

logger = logging.getLogger("pupila.records")

_Reservoir = Reservoir[KeptPrediction]

# Of an image that was rejected, unless originals are to be kept: megabytes that are no image would
# take the place of images that somebody could label.
_REJECTED_BYTES = 65_536

# Counts are handed over this often, and at the end of every minute.
_COUNT_SECONDS = 4.0

# How long a stopping server goes on writing.
_STOP_SECONDS = 3.0

# How long ``settle`` waits for the other version's answer, before it writes without.
_PAIR_WAIT_SECONDS = 0.01
_PAIR_WAITS = 20

# How long ``settle`` waits for predictions to reach the database.
_SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class _Sink:
    """Where the answers of one version go. ``unsure``: the confidence below which a prediction
    counts as unsure; 0 for a version without probabilities."""

    tally: Tally
    sampler: Sampler[KeptPrediction]
    unsure: float


class Recorder:
    """The recorder of one worker; its methods run in the event loop."""

    def __init__(self, settings: Settings, records: RecordsConnection, workers: int) -> None:
        self._rate = settings.record_rate
        self._rejected_bytes = None if settings.record_originals else _REJECTED_BYTES
        self._per_minute = settings.record_per_minute / workers
        self._unsure = settings.record_unsure
        self._random = Random()  # noqa: S311 - not used for secrets
        self._copier = Copier(settings)
        self._ledger = Ledger(settings.record_buffer_bytes)
        self._scout = Scout(settings, self._per_minute)
        self._flusher = Flusher(records, self._copier, self._ledger, self._scout)
        self._passed = Passed()
        self._samplers: dict[str, Sampler[KeptPrediction]] = {}
        self._sinks: dict[Engine | None, _Sink] = {}
        self._pairs = Pairs(self._per_minute, self._ledger.take_disagreeing)
        self._filling = asyncio.Event()
        self._counted = 0.0
        self._minute = minute_of(time.time())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write until the block ends; then write the rest, for some seconds at most."""
        self._flusher.start()
        try:
            async with background(self._tick()):
                yield
        finally:
            self._hand_over(self._pairs.ready(self._close(last=True), last=True), count=True)
            await asyncio.to_thread(self._flusher.stop, _STOP_SECONDS)

    def predicted(
        self,
        engine: Engine,
        request_id: str | int | None,
        image: bytes,
        answer: Answer,
        seconds: float | None = None,
        said: Said | None = None,
    ) -> KeptPrediction | None:
        """An image got its label; ``seconds``: how long the request took, None for a batch item;
        ``said``: what else the version said of it, if anything.

        Returns its record, if it is kept as things are now: one that comes later may replace it.
        """
        sink = self._sinks.get(engine) or self._open(engine)
        scores, label_index = answer
        tally = sink.tally
        tally.predictions[label_index] += 1
        if seconds is not None:
            tally.durations.append(seconds)
        if said is not None and said.known is False:
            reservoir = sink.sampler.unknown
        elif sink.unsure and scores.item(label_index) < sink.unsure:
            reservoir = sink.sampler.unsure
        else:
            reservoir = sink.sampler.ordinary
        if reservoir.skips:
            # What choose() would do, at a third of its cost.
            reservoir.skips -= 1
            at = -1
        else:
            at = reservoir.choose()
        if at < 0:
            self._ledger.leave_out(1)
            engine.reduced.drop(image)
            return None
        return self._keep(engine, reservoir, at, made(engine, request_id, image, answer, said=said))

    def counted(self, engine: Engine, answer: Answer, seconds: float | None = None) -> None:
        """What is not an image got its label: counted like one, and never kept, since nobody could
        look at it to label it."""
        tally = (self._sinks.get(engine) or self._open(engine)).tally
        tally.predictions[answer.label_index] += 1
        if seconds is not None:
            tally.durations.append(seconds)
        self._ledger.leave_out(1)

    def rejected(
        self, engine: Engine, request_id: str | int | None, image: bytes, reason: str
    ) -> None:
        """An image could not be read, for ``reason``; of a large one, the start is kept."""
        reservoir = (self._sinks.get(engine) or self._open(engine)).sampler.rejected
        index = reservoir.choose()
        if index < 0:
            self._ledger.leave_out(1)
            return
        start = image[: self._rejected_bytes]
        self._keep(engine, reservoir, index, made(engine, request_id, start, reason=reason))

    def failed(self, engine: Engine | None, status: int) -> None:
        """An image got no label, or a request was answered before its images were known."""
        (self._sinks.get(engine) or self._open(engine)).tally.statuses[status] += 1

    def took(self, engine: Engine | None, seconds: float) -> None:
        """A request was answered, with whatever status."""
        (self._sinks.get(engine) or self._open(engine)).tally.durations.append(seconds)

    def count(self, engine: Engine, kind: str, key: str) -> None:
        """Add to a count of a version; see ``records.kinds``."""
        (self._sinks.get(engine) or self._open(engine)).tally.events[kind, key] += 1

    def renew(self) -> None:
        """Versions have other roles from now on: what is counted so far is of the old ones."""
        self._hand_over([], count=True)

    def expect(self, kept: KeptPrediction | None) -> None:
        """What ``predicted`` returned is written once ``paired`` or ``expect_no_more`` was called,
        which must be within seconds."""
        self._pairs.expect(kept)

    def expect_no_more(self, kept: KeptPrediction | None) -> None:
        self._pairs.expect_no_more(kept)

    def paired(
        self,
        engine: Engine,
        request_id: str | int | None,
        image: bytes,
        answer: Answer,
        kept: KeptPrediction | None,
        pair: Pair,
    ) -> None:
        """The other version has classified the image of a prediction that ``predicted`` had."""
        self._pairs.paired(kept, pair, lambda: made(engine, request_id, image, answer))

    async def settle(self, request_ids: Collection[str]) -> None:
        """Write now what this worker holds of these requests.

        Raises RecordsError if it cannot be written now.
        """
        for _ in range(_PAIR_WAITS):
            if not self._pairs.waits_for(request_ids):
                break
            await asyncio.sleep(_PAIR_WAIT_SECONDS)
        now = time.monotonic()
        closed = [
            sampled
            for sampler in self._samplers.values()
            if any(prediction.request_id in request_ids for prediction in sampler.items())
            for sampled in sampler.close(now, early=True)
        ]
        sampled, others = list[Sampled[KeptPrediction]](), list[KeptPrediction]()
        if closed or self._pairs.has(request_ids):
            sampled = self._pairs.take(request_ids, closed)
            others = self._pairs.others()
        if not sampled and not others and not self._flusher.busy:
            return
        written: Future[None] = Future()
        self._flusher.put(Handover(sampled, others=others, written=written))
        try:
            await asyncio.wait_for(asyncio.wrap_future(written), _SETTLE_SECONDS)
        except TimeoutError:
            raise DatabaseError("The database is slow; try again.") from None

    def _open(self, engine: Engine | None) -> _Sink:
        model, version = (engine.version.name, engine.version.version) if engine else ("", "")
        if model not in self._samplers:
            now = time.monotonic()
            self._samplers[model] = Sampler(self._per_minute, self._rate, now, self._random)
        manifest = engine.manifest if engine else None
        if engine:
            self._copier.learn(model, version, engine.manifest.image_spec, engine.reduced)
            self._scout.learn(engine)
        sink = self._sinks[engine] = _Sink(
            Tally(
                model,
                version,
                manifest.labels if manifest else (),
                engine.role if engine else CHAMPION,
            ),
            self._samplers[model],
            self._unsure if manifest and manifest.gives_probabilities else 0.0,
        )
        return sink

    def _keep(
        self, engine: Engine, reservoir: _Reservoir, index: int, prediction: KeptPrediction
    ) -> KeptPrediction | None:
        if not self._ledger.take(prediction):
            engine.reduced.drop(prediction.image)
            return None
        replaced = reservoir.put(index, prediction)
        if replaced is not None:
            self._ledger.replace(replaced)
            engine.reduced.drop(replaced.image)
            # One that waits for its pair may be kept for that.
            if not self._pairs.replaced(replaced):
                self._passed.add(replaced)
        if self._ledger.is_filling and not self._flusher.busy:
            # Photos of megabytes: half a second of them is more than may wait.
            self._filling.set()
        return prediction

    async def _window(self) -> None:
        """Until the window is over, by its time or because what waits takes much memory."""
        self._filling.clear()
        # Not beyond the end of the minute: counts belong to the minute in which they were made.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(WINDOW_SECONDS, 60 - time.time() % 60)):
                await self._filling.wait()

    async def _tick(self) -> None:
        while True:
            await self._window()
            if not self._flusher.busy:
                self._ledger.is_current()
            sampled = self._pairs.ready(self._close())
            now = time.monotonic()
            count = minute_of(time.time()) != self._minute or now - self._counted >= _COUNT_SECONDS
            if count:
                self._counted = now
            self._hand_over(sampled, count=count)

    def _close(self, *, last: bool = False) -> list[Sampled[KeptPrediction]]:
        now = time.monotonic()
        return [
            sampled
            for sampler in self._samplers.values()
            for sampled in sampler.close(now, last=last)
        ]

    def _hand_over(self, sampled: list[Sampled[KeptPrediction]], *, count: bool) -> None:
        tallies: list[Tally] = []
        if count:
            sinks, self._sinks = self._sinks, {}
            tallies = [sink.tally for sink in sinks.values()]
        others = self._pairs.others()
        passed = self._passed.take()
        if sampled or tallies or others or passed:
            self._flusher.put(Handover(sampled, tallies, self._minute, others, passed))
        if count:
            self._minute = minute_of(time.time())
