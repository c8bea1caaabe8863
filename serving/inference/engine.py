"""A loaded version: image bytes in, label out."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from errors import BadRequestError
from models.manifest import ExtractorReference, Label
from models.runtime import Runtime
from models.version import Version
from records.routing import CANDIDATE, Role
from serving.inference.batcher import INLINE_SECONDS, Answer, Batcher
from serving.inference.decoder import Decoder, Features
from serving.inference.honesty import Honesty
from serving.inference.items import refused
from serving.inference.pace import Cost, least_cost
from serving.series import VersionMetrics
from serving.tracing.trace import tagged
from settings import Settings

# How often a graph is timed when it is loaded, unless it is slow.
_TIMED_RUNS = 7
_TIMING_SECONDS = 0.1


class Prediction(NamedTuple):
    """The predicted label, the probability of every label if asked for, the classifier's answer
    for the record, and what the classifier took of the image: with an extractor, the embedding."""

    label: Label
    probabilities: dict[str, float] | None
    answer: Answer
    inputs: Features


class Given(NamedTuple):
    """What needs no decoding: the features that the version's image spec makes.

    ``image``: a file that the spec makes them of too, for the record; empty if there is none.
    """

    features: Features
    image: bytes = b""

    @property
    def content(self) -> bytes:
        """What tells it apart from others."""
        return self.image or self.features.tobytes()


class Engine:
    """One version, ready to answer: its image spec, its classifier, its batcher."""

    def __init__(
        self, version: Version, decoder: Decoder, classifiers: Executor, settings: Settings
    ) -> None:
        """Load, verify and try the version; takes about 10 ms, so not on the event loop.

        Raises ArtifactError if the version must not serve.
        """
        self.version = version
        self.tag = version.tag
        self.extractor: ExtractorReference | None = None
        """What ``features`` returns comes from it; None if that is what the image spec makes."""
        self.manifest = version.manifest
        self.header = (b"x-model-version", version.tag.encode())
        self.metrics = VersionMetrics(version.name, version.version)
        self.role: Role = CANDIDATE
        """As which it answers, for the record."""
        self.honesty = Honesty(version, classifiers)
        if self.honesty.abstain is not None:
            # Each answer needs it: without, the version could not answer at all.
            self.honesty.load()
        self._spec = self.manifest.image_spec
        self._labels = self.manifest.labels
        self._decoder = decoder
        self.reduced = decoder.reduced
        self._classifiers = classifiers
        runtime, n_inputs = self._open()
        self._batcher = Batcher(
            runtime.run,
            classifiers,
            settings.max_batch_size,
            self.metrics.batch,
            _cost(runtime, n_inputs),
            tagged(version.tag),
        )

    def _open(self) -> tuple[Runtime, int]:
        """The classifier, and how many numbers it takes of an image."""
        return self.version.artifact.open(), self._spec.n_features

    async def predict(
        self,
        image: bytes | Given,
        probabilities: bool,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool = False,
    ) -> Prediction:
        """The prediction for the bytes of an image file, before ``expires``, in the seconds of
        ``time.monotonic``.

        ``client_gone``: whether the client has disconnected. ``in_batch``: whether its request has
        more images. Raises RejectedImageError for bytes
        that are not a readable image, BadRequestError for probabilities that the version does not
        give, OverloadedError when there is not enough time, and ClientGoneError.
        """
        self.admit(probabilities, expires)
        if isinstance(image, Given):
            features = await self.features(image, expires, client_gone, in_batch)
        else:
            features = await self._decoder.features(
                image, self._spec, expires, client_gone, in_batch
            )
        answer = await self._batcher.submit(features, expires, client_gone)
        return self._prediction(answer, probabilities, features)

    def admit(self, probabilities: bool, expires: float) -> None:
        """What ``predict`` can refuse before it costs anything: raises as it does."""
        if probabilities:
            self.check_probabilities()
        wait = self._batcher.expected_wait
        if time.monotonic() + wait > expires:
            raise refused(wait)

    def check_probabilities(self) -> None:
        """Raises BadRequestError for a version that has none to give."""
        if not self.manifest.gives_probabilities:
            raise BadRequestError(
                f"{self.version.tag} gives no probabilities; leave them out, or ask another "
                "version."
            )

    async def features(
        self,
        image: bytes | Given,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool = False,
    ) -> Features:
        """The first half of ``predict``, for whoever needs what the image is made of as well."""
        if isinstance(image, Given):
            return image.features
        return await self._decoder.features(image, self._spec, expires, client_gone, in_batch)

    async def classify(
        self,
        features: Features,
        probabilities: bool,
        expires: float,
        client_gone: Callable[[], bool],
    ) -> Prediction:
        """The second half of ``predict``."""
        self.admit(probabilities, expires)
        answer = await self._batcher.submit(features, expires, client_gone)
        return self._prediction(answer, probabilities, features)

    def use(self, executor: Executor | None, inline_seconds: float = INLINE_SECONDS) -> None:
        """Classify on threads of its own, so that it can never occupy those of the others; None:
        on those of the others again. What takes less than ``inline_seconds`` runs inline."""
        self._batcher.use(executor or self._classifiers, inline_seconds)

    def warm(self, routes: Iterable[str]) -> None:
        """Have made already what the first request to each of these paths would make."""
        for route in routes:
            self.metrics.prepare(route)

    def recognizes(self, pixels: NDArray[np.uint8]) -> bool | None:
        """On a thread: whether an image, uint8 [n_features] in the spec's size, is like those of
        the training; None if that cannot be told. Raises ArtifactError."""
        familiarity = self.honesty.familiarity()
        if familiarity is None:
            return None
        return self.honesty.counted(bool(familiarity.knows(self._inputs(pixels[None]))[0]))

    def _inputs(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 [N, F], what the classifier takes of uint8 [N, n_features]."""
        return self._spec.features(pixels)

    def check_embedding(self) -> None:
        """Raises BadRequestError for a version that has no embedding to give."""
        if self.extractor is None:
            raise BadRequestError(
                f"{self.version.tag} has no feature extractor, so it gives no embedding; leave it "
                "out, or ask another version."
            )

    @property
    def expected_wait(self) -> float:
        """How long an image that arrives now waits for others, estimated."""
        return self._batcher.expected_wait

    @property
    def expected_seconds(self) -> float:
        """How long an image that arrives now waits for its label, estimated."""
        return self._batcher.expected_wait + self._batcher.expected_seconds

    @property
    def classifying_wait(self) -> float:
        """``expected_wait`` of an image whose features are there."""
        return self._batcher.expected_wait

    @property
    def classifying_seconds(self) -> float:
        """``expected_seconds`` of an image whose features are there."""
        return self._batcher.expected_wait + self._batcher.expected_seconds

    def kept_probabilities(self, answer: Answer) -> bytes | None:
        """As records keep them; None for a version that gives none."""
        if not self.manifest.gives_probabilities:
            return None
        # A copy: the array is a view of the scores of the whole batch.
        return answer.scores.astype("<f4", copy=False).tobytes()

    def _prediction(self, answer: Answer, probabilities: bool, inputs: Features) -> Prediction:
        given = None
        if probabilities:
            values = answer.scores.tolist()
            given = {
                str(label): round(value, 6)
                for label, value in zip(self._labels, values, strict=True)
            }
        return Prediction(self._labels[answer.label_index], given, answer, inputs)


def _cost(runtime: Runtime, n_features: int) -> Cost:
    """The cost of one image, so that even the first request knows whether to use a thread.

    The least of some runs: on a busy machine, a single one may take a thousand times as long, and
    the first requests would be refused because of it, in the middle of a promotion.
    """
    features = np.zeros((1, n_features), np.float32)
    runtime.run(features)
    return least_cost(partial(runtime.run, features), _TIMED_RUNS, _TIMING_SECONDS)
