"""A large photo's pass through an extractor, on the thread that has decoded it.

Handed over to a lane, its pixels leave the cache, and two more threads and the event loop take
turns with those of other photos: of 12 megapixels, the slowest of a hundred waits a quarter longer.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from images.spec import ImageSpec
from models.extractor import Embedder
from serving.inference.batcher import Measured
from serving.inference.decoder import Then
from serving.inference.pace import Pace
from serving.inference.plan import Plan
from serving.series import ExtractorMetrics
from serving.tracing.trace import Attributes, ran_alone

# A pass of several images must take less than this part of the time an image, or the lanes, which
# have such passes, are no faster.
_LEAST: Final = 0.85


class Passed(NamedTuple):
    """Its embedding, float32 [dimension]; ``began`` in the seconds of ``time.perf_counter``;
    ``classified``: if that was wanted, and quick."""

    embedding: NDArray[np.float32]
    began: float
    seconds: float
    classified: Measured | None = None


Classify = Callable[[NDArray[np.float32]], Measured | None]
"""Of an embedding, float32 [dimension], on the thread that has made it."""


class Beside:
    """Those of one extractor, whose lanes share the ``pace``."""

    def __init__(
        self, embedder: Embedder, plan: Plan, metrics: ExtractorMetrics, pace: Pace
    ) -> None:
        self._embedder = embedder
        each = plan.full.cpu_seconds / plan.batch
        self._is_worth_it = plan.threads == 1 and each > _LEAST * plan.single.cpu_seconds
        self._metrics = metrics
        self._pace = pace
        self._about: Attributes = {"pupila.extractor": metrics.tag}

    def then(self, spec: ImageSpec, classify: Classify | None = None) -> Then | None:
        """For the thread; None where the lanes are better, by passes of several images or on
        several threads."""
        if not self._is_worth_it:
            return None
        return Then(partial(self._run, spec, classify), self._pace.expect(1))

    def _run(self, spec: ImageSpec, classify: Classify | None, pixels: NDArray[np.uint8]) -> Passed:
        began = time.perf_counter()
        embedding = self._embedder.run(spec.features(pixels[None]))[0]
        seconds = time.perf_counter() - began
        classified = None if classify is None else classify(embedding)
        return Passed(embedding, began, seconds, classified)

    def count(self, one: Passed) -> None:
        """In the event loop, what the thread has made."""
        self._metrics.passed(1, 0.0, one.seconds)
        self._pace.learn(1, one.seconds)
        ran_alone(self._about, one.began, one.seconds)
