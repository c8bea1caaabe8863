"""One rollout in one worker: who answers which request, and what is done when a challenger fails.

The champion's part of a request never waits for the challenger for longer than half of the
deadline, and never shares a thread with it.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from errors import ClientGoneError, OverloadedError, RejectedImageError, UnusableScoresError
from records.prediction import KeptPrediction
from records.routing import CHALLENGER, Pair, Rollout
from serving.http.parser import Wants
from serving.inference.decoder import Features
from serving.inference.engine import Engine, Given, Prediction
from serving.recording.recorder import Recorder
from serving.routing.attempts import Attempts, Outcome
from serving.routing.breaker import Breaker
from serving.routing.shadow import Job, Shadow
from serving.routing.sides import Sides
from settings import Settings

# A challenger that takes longer for a batch is given its thread: what it costs is known less well
# than what a champion costs, which may take 2 ms.
INLINE_SECONDS: Final = 0.0005

_NOT_FINITE: Final = "a score is not finite"

# Of the deadline.
_SLOW: Final = 0.1
_PATIENCE: Final = 0.5
_HANGS: Final = 0.25


@dataclass(slots=True, frozen=True)
class Tried:
    """An answer. ``features``: what ``engine`` made of the image, if both versions are to classify
    it; ``failure``: why the challenger did not answer, after ``seconds``."""

    trial: "Trial"
    engine: Engine
    prediction: Prediction
    features: Features | None = None
    failure: str | None = None
    seconds: float = 0.0


@dataclass(slots=True, frozen=True)
class _Failure:
    outcome: Outcome | None
    reason: str


class Trial:
    """``champion`` and ``challenger`` are in memory; ``rollout`` is as it was decided last."""

    def __init__(
        self,
        rollout: Rollout,
        champion: Engine,
        challenger: Engine,
        settings: Settings,
        recorder: Recorder | None = None,
    ) -> None:
        self.rollout = rollout
        self.champion = champion
        self.challenger = challenger
        self.sides = Sides(rollout.model, rollout.id)
        self.breaker = Breaker(challenger.version.tag)
        self.attempts = Attempts(challenger, recorder)
        self._share = 0.0 if rollout.paused else rollout.share
        self._deadline = settings.deadline_ms / 1000
        self.same_spec = (
            champion.manifest.image_spec == challenger.manifest.image_spec
            and champion.extractor == challenger.extractor
        )
        """Whether both see the same features."""
        # Of answers from memory, the challenger would seem slow: while it answers a share, neither
        # gives any.
        self._anew = bool(self._share) and champion.extractor is not None
        # Whoever was promised integers must not get strings.
        self._comparable = champion.manifest.label_type == challenger.manifest.label_type
        self._both_give = (
            champion.manifest.gives_probabilities and challenger.manifest.gives_probabilities
        )
        self._waiting: dict[object, float] = {}
        self._threads = ThreadPoolExecutor(1, "challenger")
        self.occupy()
        self._shadow = Shadow(self, settings, recorder)

    def occupy(self) -> None:
        """Have the challenger classify on a thread of its own."""
        self.challenger.use(self._threads, INLINE_SECONDS)

    def end(self) -> None:
        """Nobody asks any more; those who asked still get their answer."""
        self._shadow.close()
        self.challenger.use(None)
        self._threads.shutdown(wait=False)

    async def answer(
        self,
        request_id: str | int | None,
        image: bytes | Given,
        wants: Wants,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool = False,
    ) -> Tried:
        """As ``Engine.predict``, by one of the two; raises what the champion alone would raise.

        What needs no decoding is of the champion's spec: a challenger with another is not asked.
        Without an image there would be nothing to label where they disagree: no pairs of those.
        An embedding must be that of one extractor, and not every version can say what else a client
        may want.
        """
        champion = self.champion
        probabilities, coverage, known = wants.probabilities, wants.coverage, wants.known
        can = not (coverage or known) or self.challenger.honesty.can(coverage, known)
        compares = self._shadow.chooses()
        if isinstance(image, Given):
            asked = can and self.same_spec and self._asks(request_id, image.content, probabilities)
            compares = compares and self.same_spec and bool(image.image)
        else:
            can = can and (self.same_spec or not wants.embedding)
            asked = can and self._asks(request_id, image, probabilities)
        if not (asked or compares or self._anew):
            prediction = await champion.predict(
                image, probabilities, expires, client_gone, in_batch
            )
            return Tried(self, champion, prediction)
        champion.admit(probabilities, expires)
        features = None
        if self.same_spec or not asked:
            features = await champion.features(image, expires, client_gone, in_batch)
        failed: Outcome | None = None
        failure, seconds = None, 0.0
        if asked:
            began = time.monotonic()
            rest = champion.expected_seconds if features is None else champion.classifying_seconds
            until = expires - max(self._deadline * _PATIENCE, rest)
            answer = await self._attempt(
                features, image, probabilities, until, client_gone, in_batch
            )
            seconds = time.monotonic() - began
            if isinstance(answer, Tried):
                self._note("slow" if seconds > self._deadline * _SLOW else "answered")
                return answer if compares else Tried(self, answer.engine, answer.prediction)
            failed, failure = answer.outcome, answer.reason if answer.outcome else None
        if features is None:
            # Bytes that are no image are none to the champion either, which says so here: that is
            # not counted against the challenger.
            features = await champion.features(image, expires, client_gone, in_batch)
        if failed is not None:
            self._note(failed)
        prediction = await champion.classify(features, probabilities, expires, client_gone)
        return Tried(self, champion, prediction, features if compares else None, failure, seconds)

    def seen(
        self,
        tried: Tried,
        request_id: str | int | None,
        image: bytes,
        kept: KeptPrediction | None,
    ) -> None:
        """The answer was given; ``kept``: its record, if it may be kept."""
        if tried.failure is not None:
            if kept is not None:
                kept.pair = self._failed(tried)
            if tried.features is not None:
                self.attempts.paired("failed")
        elif tried.features is not None:
            self._shadow.offer(
                Job(tried.engine, tried.features, request_id, image, tried.prediction.answer, kept)
            )

    def fault_of(self, prediction: Prediction) -> str | None:
        """Why an answer of the challenger does not count."""
        scores, index = prediction.answer
        if not np.isfinite(scores).all():
            return _NOT_FINITE
        return None if index >= 0 else "there is no such label"

    def _asks(self, request_id: str | int | None, image: bytes, probabilities: bool) -> bool:
        if not self._share or not self._comparable or (probabilities and not self._both_give):
            return False
        if not self.sides.is_challengers(request_id, image, self._share):
            return False
        if self.breaker.open:
            self.attempts.tried("stopped")
            return False
        return True

    async def _attempt(
        self,
        features: Features | None,
        image: bytes | Given,
        probabilities: bool,
        until: float,
        client_gone: Callable[[], bool],
        in_batch: bool,
    ) -> Tried | _Failure:
        now = time.monotonic()
        if now >= until:
            # Decoding took so long, or the champion needs the rest: not the challenger's fault.
            return _Failure(None, "there was no time")
        oldest = next(iter(self._waiting.values()), now)
        if now - oldest > self._deadline * _HANGS:
            return _Failure("late", "it has not answered others")
        mark = object()
        self._waiting[mark] = now
        challenger = self.challenger
        try:
            if features is None:
                features = await challenger.features(image, until, client_gone, in_batch)
            prediction = await challenger.classify(features, probabilities, until, client_gone)
        except ClientGoneError:
            raise
        except RejectedImageError as error:
            return _Failure("failed", str(error))
        except UnusableScoresError:
            return _Failure("failed", _NOT_FINITE)
        except OverloadedError:
            return _Failure("late", "it did not answer in time")
        except Exception as error:  # noqa: BLE001 - the champion answers instead
            return _Failure("failed", f"it raised {type(error).__name__}")
        finally:
            del self._waiting[mark]
        fault = self.fault_of(prediction)
        if fault is not None:
            return _Failure("failed", fault)
        return Tried(self, challenger, prediction, features)

    def _note(self, outcome: Outcome) -> None:
        self.attempts.tried(outcome)
        self.breaker.note(failed=outcome in ("failed", "late"))

    def _failed(self, tried: Tried) -> Pair:
        return Pair(
            rollout_id=self.rollout.id,
            version=self.challenger.version.version,
            role=CHALLENGER,
            label=None,
            probabilities=None,
            seconds=tried.seconds,
            failure=tried.failure,
        )
