"""Has the other version classify a sample of the images too, after the answer was sent.

One image at a time, so that a worker is never busy with two; and for a bounded part of the time, so
that it takes little from the requests. Under load it takes longer and therefore does less.
"""

import asyncio
import json
import logging
import time
from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from errors import OverloadedError, RequestError
from models.manifest import Label
from records.prediction import KeptPrediction
from records.routing import CHALLENGER, CHAMPION, Pair, Rollout
from serving.inference.batcher import Answer
from serving.inference.decoder import Features
from serving.inference.engine import Engine, Prediction
from serving.recording.recorder import Recorder
from serving.routing.attempts import Attempts
from serving.routing.breaker import Breaker
from settings import Settings

logger = logging.getLogger("pupila.routing")

# Images that wait, and their bytes.
_MOST_JOBS: Final = 64
_MOST_BYTES: Final = 8 * 2**20

# The record waits for the pair: not for longer than this.
_OLDEST_SECONDS: Final = 2.0
_MOST_SECONDS: Final = 3.0

# While requests wait for the champion for longer than this part of their deadline, nothing else is
# done.
_BUSY: Final = 0.05


@dataclass(slots=True, frozen=True, eq=False)
class Job:
    """An image that ``engine`` gave an ``answer``, and what it made of it; ``kept``: its record, if
    it may be kept."""

    engine: Engine
    features: Features
    request_id: str | int | None
    image: bytes
    answer: Answer
    kept: KeptPrediction | None


class OnTrial(Protocol):
    """What a shadow has to know of the trial that it belongs to."""

    rollout: Rollout
    champion: Engine
    challenger: Engine
    breaker: Breaker
    attempts: Attempts
    same_spec: bool

    def fault_of(self, prediction: Prediction) -> str | None: ...


class Shadow:
    """The shadow of one rollout in one worker. Without a recorder nobody would see it: it does
    nothing."""

    def __init__(self, trial: OnTrial, settings: Settings, recorder: Recorder | None) -> None:
        rollout = trial.rollout
        self._trial = trial
        self._recorder = recorder
        self._rate = 0.0 if rollout.paused or recorder is None else rollout.shadow
        self._part = settings.shadow_cpu
        self._deadline = settings.deadline_ms / 1000
        self._random = Random()  # noqa: S311 - not used for secrets
        self._jobs: deque[tuple[float, Job]] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None

    def chooses(self) -> bool:
        """Whether both versions are to classify the next image: by chance alone, so that the pairs
        are a fair sample."""
        return (
            self._rate > 0.0 and self._random.random() < self._rate and not self._trial.breaker.open
        )

    def offer(self, job: Job) -> None:
        """Classify it by the other version, unless too many wait."""
        if len(self._jobs) >= _MOST_JOBS or self._bytes + len(job.image) > _MOST_BYTES:
            self._trial.attempts.dropped()
            return
        assert self._recorder is not None  # noqa: S101 - chooses() would have been false
        self._recorder.expect(job.kept)
        self._bytes += len(job.image)
        self._jobs.append((time.monotonic(), job))
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    def close(self) -> None:
        """Those that wait are given up."""
        if self._task is not None:
            self._task.cancel()
        self._rate = 0.0
        while self._jobs:
            self._give_up(self._jobs.popleft()[1])

    async def _work(self) -> None:
        """In a task that ends when nothing is left to do."""
        try:
            while self._jobs:
                since, job = self._jobs.popleft()
                self._bytes -= len(job.image)
                began = time.monotonic()
                pair = None
                try:
                    if began - since < _OLDEST_SECONDS:
                        pair = await self._compare(job)
                except Exception:
                    logger.exception("a pair was lost")
                finally:
                    if pair is None:
                        self._give_up(job)
                if pair is not None:
                    self._keep(job, pair)
                seconds = time.monotonic() - began
                await asyncio.sleep(min(seconds * (1 / self._part - 1), _OLDEST_SECONDS))
        finally:
            self._task = None

    async def _compare(self, job: Job) -> Pair | None:
        """None if there was no time for it."""
        trial = self._trial
        to_champion = job.engine is trial.challenger
        champion = trial.champion
        wait = champion.classifying_wait if trial.same_spec else champion.expected_wait
        if wait > self._deadline * _BUSY:
            return None
        other = champion if to_champion else trial.challenger
        began = time.monotonic()
        expires = began + min(self._deadline / 2, _MOST_SECONDS)
        failure: str | None = None
        prediction: Prediction | None = None
        try:
            features = job.features
            if not trial.same_spec:
                features = await other.features(job.image, expires, _stays, in_batch=True)
            prediction = await other.classify(features, False, expires, _stays)
        except OverloadedError:
            if to_champion:
                return None
            failure = "it did not answer in time"
        except RequestError as error:
            failure = str(error)
        except Exception as error:  # noqa: BLE001 - it is what the pair says
            failure = f"it raised {type(error).__name__}"
        if prediction is not None and not to_champion:
            failure = trial.fault_of(prediction)
        return self._pair(job, other, prediction, failure, time.monotonic() - began)

    def _pair(
        self,
        job: Job,
        other: Engine,
        prediction: Prediction | None,
        failure: str | None,
        seconds: float,
    ) -> Pair:
        trial = self._trial
        label: Label | None = None
        probabilities = None
        differ = None
        if failure is None and prediction is not None:
            label = prediction.label
            differ = label != job.engine.manifest.labels[job.answer.label_index]
            probabilities = other.kept_probabilities(prediction.answer)
        return Pair(
            rollout_id=trial.rollout.id,
            version=other.version.version,
            role=CHALLENGER if other is trial.challenger else CHAMPION,
            label=label,
            probabilities=probabilities,
            seconds=seconds,
            failure=failure,
            differ=differ,
        )

    def _keep(self, job: Job, pair: Pair) -> None:
        attempts = self._trial.attempts
        if pair.role == CHALLENGER:
            self._trial.breaker.note(failed=pair.failure is not None)
        if pair.differ is None:
            attempts.paired("failed")
        else:
            attempts.paired("differ" if pair.differ else "same")
        if pair.differ:
            labels = [job.engine.manifest.labels[job.answer.label_index], pair.label]
            champion, challenger = labels if pair.role == CHALLENGER else reversed(labels)
            attempts.changed(json.dumps(champion), json.dumps(challenger))
        assert self._recorder is not None  # noqa: S101 - chooses() would have been false
        self._recorder.paired(job.engine, job.request_id, job.image, job.answer, job.kept, pair)

    def _give_up(self, job: Job) -> None:
        self._trial.attempts.dropped()
        if self._recorder is not None:
            self._recorder.expect_no_more(job.kept)


def _stays() -> bool:
    return False
