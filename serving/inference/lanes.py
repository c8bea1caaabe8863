"""The images that wait for an extractor, and the threads that it runs on.

In front of the classifiers' batchers: the versions that use an extractor share it, so the same pass
serves all of them. Work-conserving like those, and never on the event loop: a pass takes some
milliseconds at the least.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.extractor import Embedder
from serving.inference.activity import Activity
from serving.inference.beside import Beside
from serving.inference.items import Item, Queue, expired, hand_over, refused, stays
from serving.inference.lone import Lone
from serving.inference.pace import Pace
from serving.inference.plan import MAX_LANES, Plan
from serving.series import ExtractorMetrics
from serving.tracing.trace import TRACE, Attributes, Run, Turn, ran

Embedding = NDArray[np.float32]

_MANY: Final = 4
"""Of fewer that wait for a lane, each is answered at once: the first would wait for the last."""

_STINT_SECONDS: Final = 0.08
"""The most that a lane works before it hands over what it has."""

_STOPPING: Final = "The server is stopping."


@dataclass(slots=True, eq=False, kw_only=True)
class _Photo(Item[Embedding]):
    """``image``: uint8 pixels, a quarter of the bytes of its features, which are made of it when
    its turn comes by ``spec``; without one, the features themselves."""

    spec: ImageSpec | None

    @property
    def features(self) -> NDArray[np.float32]:
        if self.spec is None:
            return self.image
        return self.spec.features(self.image)


class _Pass(NamedTuple):
    items: Sequence[_Photo]
    began: float
    embeddings: list[Embedding | Exception]
    seconds: float


class Lanes:
    """Runs batches of images through an extractor, as many at a time as the plan has lanes.

    While many wait, a lane does several passes before it hands over: a stint. The event loop then
    answers several clients in a row; woken after each, it finds its code gone from the cache.

    Each image succeeds or fails alone, as in a classifier's ``Batcher``. Those of large requests
    have a queue of their own, and while both have some, the queues take turns: 256 images in one
    request would otherwise have everybody else refused.

    Whoever lets go of it last ends its threads.
    """

    def __init__(
        self,
        embedder: Embedder,
        plan: Plan,
        metrics: ExtractorMetrics,
        lone: Lone | None = None,
        activity: Activity | None = None,
        cpus: int = 1,
    ) -> None:
        """``lone``: for an image that comes while nobody is at work here or in another worker:
        beside large photos that are decoded, its threads would wait for one another. ``cpus``: of
        all workers; what the others leave of them is for more lanes, since nobody sees to it that
        each has as many clients."""
        self.embedder = embedder
        self._lone = lone
        self._activity = activity or Activity()
        self._plan = plan
        self._metrics = metrics
        self._about: Attributes = {"pupila.extractor": metrics.tag}
        self._cpus = cpus
        self._most = min(max(plan.lanes, cpus), MAX_LANES) if plan.threads == 1 else plan.lanes
        # One thread each: of several that wait for one queue, Python wakes one more than has work.
        # For a moment it had the processor that ONNX Runtime's second thread was woken for, and
        # that one waited for 4 to 10 ms behind the first, beside a processor with nothing to do.
        self._idle = [ThreadPoolExecutor(1, "embed") for _ in range(self._most)]
        self._queue = Queue[_Photo]()
        self._of_batches = Queue[_Photo]()
        self._batches_turn = False
        self._busy = 0
        self._running = 0
        self._starting = False
        each = (plan.full.seconds - plan.single.seconds) / max(1, plan.batch - 1)
        self._pace = Pace(plan.single.seconds, max(each, 0.0) or plan.single.seconds)
        self.beside = Beside(embedder, plan, metrics, self._pace)
        self._loop: asyncio.AbstractEventLoop | None = None

    def shrink(self) -> None:
        """Give back the memory that larger batches have taken."""
        self.embedder.shrink()
        if self._lone is not None:
            self._lone.shrink()

    @property
    def _available(self) -> int:
        """Lanes that may run, those at work included: its own, and others' processors."""
        others = self._activity.count - self._busy
        return max(self._plan.lanes, min(self._most, self._cpus - others))

    @property
    def _free(self) -> int:
        """Lanes that may begin a pass now: its own first."""
        own = self._plan.lanes - self._busy
        return own if own > 0 else max(0, self._available - self._busy)

    @property
    def expected_seconds(self) -> float:
        """How long a pass with one image takes, learned from past ones."""
        return self._pace.expect(1)

    @property
    def expected_wait(self) -> float:
        """Seconds until a single image that arrives now has its embedding, estimated; 0 while a
        lane is free, however slow it was: it would otherwise never be found to be fast again."""
        singles, others = len(self._queue), len(self._of_batches)
        return self._wait(singles + min(singles + 1, others))

    def _wait(self, ahead: int) -> float:
        if self._free:
            return 0.0
        lanes = max(self._plan.lanes, self._busy)
        seconds = max(self._expect(ahead + 1) / lanes, self.expected_seconds)
        # On average, half of what runs now is over.
        return self._expect(self._running // lanes) / 2 + seconds

    def _expect(self, images: int) -> float:
        """Seconds that so many take in one lane."""
        batches, rest = divmod(images, self._plan.batch)
        return batches * self._pace.expect(self._plan.batch) + self._pace.expect(rest)

    async def submit(
        self,
        image: NDArray[np.uint8] | NDArray[np.float32],
        spec: ImageSpec | None,
        expires: float,
        client_gone: Callable[[], bool] = stays,
        in_batch: bool = False,
    ) -> Embedding:
        """The embedding of an image, float32 [dimension]: of its pixels, uint8 [n_features], or,
        without a ``spec``, of its features. ``in_batch``: its request has more.

        ``expires`` is in the seconds of ``time.monotonic``; raises OverloadedError once it has
        passed, or at once if it will, and ClientGoneError if ``client_gone`` after a long wait.
        """
        loop = self._loop = self._loop or asyncio.get_running_loop()
        now = time.monotonic()
        if now >= expires:
            raise expired()
        everything = len(self._queue) + len(self._of_batches)
        wait = self._wait(everything) if in_batch else self.expected_wait
        if now + wait > expires:
            raise refused(wait)
        item = _Photo(image, loop.create_future(), client_gone, now, expires, spec=spec)
        if (trace := TRACE.get()) is not None:
            item.turn = Turn(everything)
        item.watch()
        (self._of_batches if in_batch else self._queue).append(item)
        self._start_soon(loop)
        try:
            return await item.future
        finally:
            if item.timer is not None:
                item.timer.cancel()
            if trace is not None and item.turn is not None:
                trace.passed(item.turn)
            # It has what was raised, whose traceback has this frame.
            del item

    def _start_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Not at once: images that come in the same turn of the event loop share a pass."""
        if self._free and not self._starting:
            self._starting = True
            loop.call_soon(self._start, loop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._starting = False
        while (waiting := len(self._queue) + len(self._of_batches)) and (free := self._free):
            # Two images and two free lanes: one for each.
            share = math.ceil(waiting / free)
            items, waited = self._take(min(share, self._stint()))
            if not items:
                return
            lone = self._lone if waiting == 1 and self._activity.is_none else None
            embedder = (lone and lone.choose()) or self.embedder
            thread = self._idle.pop()
            try:
                passing = loop.run_in_executor(thread, self._work, embedder, items)
            except RuntimeError:  # the interpreter ends
                self._fail(items)
                return
            self._busy += 1
            self._running += len(items)
            self._activity.begin()
            passing.add_done_callback(partial(self._is_idle, thread))
            passing.add_done_callback(partial(self._passed, loop, embedder, lone, items, waited))

    def _is_idle(self, thread: ThreadPoolExecutor, _passing: asyncio.Future[list[_Pass]]) -> None:
        self._idle.append(thread)

    def _stint(self) -> int:
        """How many images a lane takes at most: its part of those that wait; or one pass, while few
        do, or a large request takes turns with others, or what it runs on is another worker's."""
        batch = self._plan.batch
        seconds = self._pace.expect(batch)
        waiting = len(self._queue) // (self._available * batch)
        if waiting < _MANY or self._of_batches or self._busy >= self._plan.lanes or not seconds:
            return batch
        return batch * max(1, min(waiting, int(_STINT_SECONDS / seconds)))

    def _take(self, most: int) -> tuple[list[_Photo], float]:
        first, second = self._queue, self._of_batches
        if self._batches_turn:
            first, second = second, first
        self._batches_turn = not self._batches_turn
        items, waited = first.take(most)
        if len(items) < most:
            more, also_waited = second.take(most - len(items))
            items, waited = items + more, max(waited, also_waited)
        return items, waited

    def _work(self, embedder: Embedder, items: Sequence[_Photo]) -> list[_Pass]:
        passes, batch = list[_Pass](), self._plan.batch
        for at in range(0, len(items), batch):
            wanted = [item for item in items[at : at + batch] if not item.future.done()]
            if wanted:
                started = time.perf_counter()
                embeddings = self._embedded(embedder, wanted)
                seconds = time.perf_counter() - started
                passes.append(_Pass(wanted, started, embeddings, seconds))
        return passes

    def _embedded(self, embedder: Embedder, items: Sequence[_Photo]) -> list[Embedding | Exception]:
        try:
            rows = embedder.run(np.stack([item.features for item in items]))
            return list(rows)
        except Exception as error:  # noqa: BLE001 - it becomes the item's own answer
            if len(items) == 1:
                return [error]
            return [self._embedded(embedder, [item])[0] for item in items]

    def _passed(
        self,
        loop: asyncio.AbstractEventLoop,
        embedder: Embedder,
        lone: Lone | None,
        items: Sequence[_Photo],
        waited: float,
        passing: asyncio.Future[list[_Pass]],
    ) -> None:
        self._busy -= 1
        self._running -= len(items)
        self._activity.end()
        if passing.cancelled():
            self._fail(items)
            return
        for one in (passes := passing.result()):
            self._metrics.passed(len(one.items), waited + one.began - passes[0].began, one.seconds)
            if lone is not None and self._activity.is_none:
                lone.learn(one.seconds, embedder)
            if embedder is self.embedder:
                # Those who wait, wait for passes like this one.
                self._pace.learn(len(one.items), one.seconds)
            ran(one.items, Run(self._about, len(one.items), one.began, one.seconds))
            hand_over(one.items, one.embeddings)
        self._start(loop)

    def _fail(self, items: Sequence[_Photo]) -> None:
        for item in (*items, *self._queue, *self._of_batches):
            if not item.future.done():
                item.future.set_exception(RuntimeError(_STOPPING))
        self._queue.clear()
        self._of_batches.clear()
