"""Finds images that are unlike a version's training images, among those the recorder has seen.

On the recorder's thread, for a hundredth of one processor's time: Python runs one thread at a time,
and what this takes the requests do not get.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from errors import ArtifactError, ImageError
from images.decoding import examine
from records.prediction import KeptPrediction
from serving.inference.memory import decode_bytes
from serving.recording.allowance import Allowance
from serving.recording.ledger import memory_bytes
from settings import Settings

if TYPE_CHECKING:
    from serving.inference.engine import Engine

SHARE: Final = 0.01
"""Of one processor's time that a worker may spend on it."""

# Of the sampled predictions of a minute, as many again of unknown images.
_PART: Final = 0.25

_MOST_PASSED: Final = 32
_MOST_PASSED_BYTES: Final = 4 * 2**20

# At once, so that what is to be written does not wait.
_TURN_SECONDS: Final = 0.02


class Passed:
    """Predictions that the sample has left out after all, a few of them until the next handover."""

    def __init__(self) -> None:
        self._predictions: list[KeptPrediction] = []
        self._bytes = 0

    def add(self, prediction: KeptPrediction) -> None:
        size = memory_bytes(prediction)
        if len(self._predictions) < _MOST_PASSED and self._bytes + size <= _MOST_PASSED_BYTES:
            self._predictions.append(prediction)
            self._bytes += size

    def take(self) -> list[KeptPrediction]:
        """All of them; the caller takes them over."""
        taken, self._predictions, self._bytes = self._predictions, [], 0
        return taken


class Scout:
    """``per_minute``: limit of the sampled predictions; ``clock``: of the seconds since any time;
    ``spent``: of the processor's for this thread."""

    def __init__(
        self,
        settings: Settings,
        per_minute: float,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.thread_time,
    ) -> None:
        self._max_pixels = settings.max_image_pixels
        # As what is copied beside the images of requests, see ``serving.recording.copier``.
        self._max_bytes = decode_bytes(settings) // 4
        self._engines: dict[tuple[str, str], Engine] = {}
        self._clock, self._spent = clock, spent
        self._allowance = Allowance(60 * SHARE, clock())
        self._more = Allowance(per_minute * _PART, clock(), 1)

    def learn(self, engine: "Engine") -> None:
        """Whose images are to be compared; from any thread."""
        if engine.honesty.compares:
            self._engines[engine.version.name, engine.version.version] = engine

    def look(self, predictions: Sequence[KeptPrediction]) -> None:
        """Set ``known`` of as many as there is time for, unless it is set."""
        began = self._spent()
        for prediction in predictions:
            engine = self._engines.get((prediction.model, prediction.version))
            if engine is None or prediction.known is not None or prediction.status != 200:
                continue
            started = self._spent()
            if started - began > _TURN_SECONDS or self._allowance.wait(SHARE / 1e3, self._clock()):
                return
            prediction.known = self._is_known(engine, prediction)
            self._allowance.take(self._spent() - started)

    def unknown(self, passed: Sequence[KeptPrediction]) -> list[KeptPrediction]:
        """Those of images that are not known, as many as may be kept beside the sample."""
        self.look(passed)
        found = []
        for prediction in passed:
            if prediction.known is False and not self._more.wait(1, self._clock()):
                self._more.take(1)
                found.append(prediction)
        return found

    def _is_known(self, engine: "Engine", prediction: KeptPrediction) -> bool | None:
        if prediction.image is None:
            return None
        spec = engine.manifest.image_spec
        try:
            encoded = examine(prediction.image, self._max_pixels)
            if encoded.cost(spec).bytes > self._max_bytes:
                return None
            return engine.recognizes(encoded.pixels(spec))
        except (ImageError, ArtifactError):
            return None
