"""The work-conserving batcher; see architecture/0003-batcher.md.

An idle classifier starts at once on what is there; while it runs, arrivals queue; the next batch
takes all of them up to a maximum. There is no timer: batches grow with load by themselves.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from errors import UnusableScoresError
from models.runtime import Outcome
from serving.inference.items import Item, Queue, expired, hand_over, stays
from serving.inference.pace import Cost, Pace
from serving.tracing.trace import TRACE, Attributes, Run, Turn, ran, ran_alone

# A batch that is expected to take longer runs on a thread, because it would block the event loop.
# Below this, the hand-over to a thread (50 to 100 µs) costs more than it saves. In CPU seconds:
# wall time grows on a busy machine, where threads would make it worse.
INLINE_SECONDS = 0.002

# How long the batches of one turn of the event loop may take together.
_TURN_SECONDS = 0.01


class Answer(NamedTuple):
    """One image's outcome. ``scores``: float32 [C]; ``label_index``: the predicted one."""

    scores: NDArray[np.float32]
    label_index: int


class Measured(NamedTuple):
    """What one call of a classifier has made, and took."""

    began: float
    answers: list[Answer | Exception]
    cost: Cost


class Batcher:
    """Collects the images that one call of a classifier takes together.

    Each item succeeds or fails alone: if a batch raises, its items are tried one by one. A
    cancelled or expired item leaves the queue before it costs inference.
    """

    def __init__(
        self,
        run: Callable[[NDArray[np.float32]], Outcome],
        executor: Executor,
        max_batch_size: int,
        on_batch: Callable[[int, float], None],
        single: Cost,
        about: Attributes | None = None,
    ) -> None:
        """``run`` gets float32 [N, n_features]; ``on_batch`` gets the size of each batch and the
        seconds that its first item waited; ``single`` is the cost of a batch of one; ``about`` says
        in traces who classifies."""
        self._run = run
        self._executor = executor
        self._max_batch_size = max_batch_size
        self._on_batch = on_batch
        self._about = about or {}
        self._traced = 0
        self._clock = Pace(single.seconds)
        self._cpu = Pace(single.cpu_seconds)
        self._inline_seconds = INLINE_SECONDS
        self._queue = Queue[Item[Answer]]()
        self._running = 0
        self._busy = False
        self._on_thread = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def queued(self) -> int:
        """How many items are waiting for a batch."""
        return len(self._queue)

    @property
    def expected_seconds(self) -> float:
        """How long a batch of one takes, learned from past batches."""
        return self._clock.expect(1)

    def use(self, executor: Executor, inline_seconds: float = INLINE_SECONDS) -> None:
        """From the next batch on, another executor; a batch that is expected to take longer than
        ``inline_seconds`` goes there."""
        self._executor = executor
        self._inline_seconds = inline_seconds

    @property
    def expected_wait(self) -> float:
        """Seconds until an item that arrives now is answered, estimated from past batches.

        0 while the classifier is idle, however slow it was: it would otherwise never be tried
        again, and never found to be fast.
        """
        if not self._busy:
            return 0.0
        full, rest = divmod(len(self._queue) + 1, self._max_batch_size)
        return (
            self._clock.expect(self._running)
            + full * self._clock.expect(self._max_batch_size)
            + self._clock.expect(rest)
        )

    def alone(self, features: NDArray[np.float32]) -> Measured | None:
        """A batch of one, float32 [n_features], on the thread of the caller, whom nobody waits for;
        None if it is expected to take long, and has to wait its turn."""
        if self._cpu.expect(1) >= self._inline_seconds:
            return None
        return self._measured([features])

    def count(self, one: Measured) -> Answer:
        """In the event loop, what ``alone`` has made. Raises what the classifier has raised."""
        self._on_batch(1, 0.0)
        self._learn(one)
        ran_alone(self._about, one.began, one.cost.seconds)
        # What is raised has the frame of the request in its traceback, and that has ``one``.
        answer = one.answers.pop()
        if isinstance(answer, Exception):
            try:
                raise answer
            finally:
                del answer
        return answer

    async def submit(
        self,
        features: NDArray[np.float32],
        expires: float,
        client_gone: Callable[[], bool] = stays,
    ) -> Answer:
        """The answer for one image, ``features``: float32 [n_features].

        ``expires`` is in the seconds of ``time.monotonic``; raises OverloadedError once it has
        passed. ``client_gone`` is called if the item has waited long; raises ClientGoneError if it
        returns True.
        """
        # Looked up once: before Python 3.12 it is a system call.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        now = time.monotonic()
        if now >= expires:
            raise expired()
        future: asyncio.Future[Answer] = loop.create_future()
        item = Item(features, future, client_gone, now, expires)
        if (trace := TRACE.get()) is not None:
            item.turn = Turn(len(self._queue))
            self._traced += 1
        self._queue.append(item)
        if self._on_thread:
            item.watch()
        if not self._busy:
            self._busy = True
            loop.call_soon(self._start, loop)
        try:
            return await future
        finally:
            if item.timer is not None:
                item.timer.cancel()
            if trace is not None and item.turn is not None:
                self._traced -= 1
                trace.passed(item.turn)
            # They have what was raised, whose traceback has this frame.
            del future, item

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Classify what is queued: here while that is quick, otherwise on a thread.

        One turn of the event loop runs several batches. With only one, clients that are refused and
        retry immediately left it little but refusals: 64 answers for every thousand.
        """
        ends = time.monotonic() + _TURN_SECONDS
        while items := self._take():
            self._running = len(items)
            if self._cpu.expect(len(items)) >= self._inline_seconds:
                self._start_thread(loop, items)
                return
            self._finish(items, self._measured(_images(items)))
            if time.monotonic() > ends:
                loop.call_soon(self._start, loop)
                return
        self._running = 0
        self._busy = False

    def _start_thread(self, loop: asyncio.AbstractEventLoop, items: Sequence[Item[Answer]]) -> None:
        # Timers are set only here: a batch that runs inline ends before a timer could fire.
        self._on_thread = True
        for item in (*items, *self._queue):
            item.watch()
        try:
            running = loop.run_in_executor(self._executor, self._measured, _images(items))
        except RuntimeError as error:  # the executor was shut down
            self._fail(items, error)
        else:
            running.add_done_callback(lambda done: self._done(loop, items, done))

    def _done(
        self,
        loop: asyncio.AbstractEventLoop,
        items: Sequence[Item[Answer]],
        running: asyncio.Future[Measured],
    ) -> None:
        self._on_thread = False
        if running.cancelled():
            self._fail(items, RuntimeError("The server is stopping."))
        else:
            self._finish(items, running.result())
            self._start(loop)

    def _fail(self, items: Sequence[Item[Answer]], error: Exception) -> None:
        self._busy = self._on_thread = False
        for item in (*items, *self._queue):
            if not item.future.done():
                item.future.set_exception(error)
        self._queue.clear()

    def _take(self) -> list[Item[Answer]]:
        items, waited = self._queue.take(self._max_batch_size)
        if items:
            self._on_batch(len(items), waited)
        return items

    def _measured(self, images: Sequence[NDArray[np.float32]]) -> Measured:
        started, cpu_started = time.perf_counter(), time.thread_time()
        answers = self._classify(images)
        cost = Cost(time.perf_counter() - started, time.thread_time() - cpu_started)
        return Measured(started, answers, cost)

    def _classify(self, images: Sequence[NDArray[np.float32]]) -> list[Answer | Exception]:
        try:
            outcome = self._run(np.stack(images))
            answers = map(Answer, outcome.scores, outcome.indices.tolist())
            if np.isnan(outcome.scores).any():
                return [_or_error(answer) for answer in answers]
            return list(answers)
        except Exception as error:  # noqa: BLE001 - it becomes the item's own answer
            if len(images) == 1:
                return [error]
            return [self._classify([image])[0] for image in images]

    def _finish(self, items: Sequence[Item[Answer]], measured: Measured) -> None:
        self._learn(measured)
        if self._traced:
            ran(items, Run(self._about, len(items), measured.began, measured.cost.seconds))
        hand_over(items, measured.answers)

    def _learn(self, measured: Measured) -> None:
        self._clock.learn(len(measured.answers), measured.cost.seconds)
        self._cpu.learn(len(measured.answers), measured.cost.cpu_seconds)


def _images(items: Sequence[Item[Answer]]) -> list[NDArray[np.float32]]:
    return [item.image for item in items]


def _or_error(answer: Answer) -> Answer | Exception:
    return UnusableScoresError() if np.isnan(answer.scores).any() else answer
