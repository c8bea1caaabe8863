"""A version whose classifier takes embeddings: its extractor runs first, shared with others."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from models.runtime import Runtime
from models.version import Version
from serving.inference.answers import Answers, key_of
from serving.inference.batcher import Answer, Measured
from serving.inference.beside import Classify, Passed
from serving.inference.decoder import Decoder, Features
from serving.inference.engine import Engine, Given, Prediction
from serving.inference.extractors import SharedExtractors
from serving.inference.items import expired, refused
from serving.metrics import ANSWERS_REPEATED
from settings import Settings


class PhotoEngine(Engine):
    """As an ``Engine``; what ``features`` returns, and ``classify`` takes, is the embedding."""

    def __init__(
        self,
        version: Version,
        decoder: Decoder,
        classifiers: Executor,
        settings: Settings,
        extractors: SharedExtractors,
    ) -> None:
        """Takes a second where no other version has the extractor in memory."""
        self._extractors = extractors
        super().__init__(version, decoder, classifiers, settings)
        self._answers = Answers(settings.cached_answers) if settings.cached_answers else None
        self._repeated = ANSWERS_REPEATED.labels(version.name, version.version)
        self._under_way: dict[bytes, asyncio.Future[None]] = {}

    def _open(self) -> tuple[Runtime, int]:
        artifact = self.version.artifact
        extractor = artifact.extractor()
        assert extractor is not None  # noqa: S101 - there would be an Engine in its place
        self.extractor = extractor.reference
        self._lanes = self._extractors.shared(extractor)
        artifact.check_embeddings(extractor, self._lanes.embedder)
        self._lanes.shrink()
        return artifact.head(), extractor.manifest.dimension

    async def predict(
        self,
        image: bytes | Given,
        probabilities: bool,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool = False,
    ) -> Prediction:
        """As ``Engine.predict``. An image that was answered before is answered as before, and one
        that is under way is waited for."""
        if probabilities:
            self.check_probabilities()
        if self._answers is None or isinstance(image, Given):
            embedding, answer = await self._pass(image, expires, client_gone, in_batch)
            return self._prediction(answer, probabilities, embedding)
        key = await key_of(image)
        while (given := self._answers.get(key)) is None and key in self._under_way:
            # If that fails, one of those who wait is the next to try.
            await asyncio.wait((self._under_way[key],), timeout=expires - time.monotonic())
            if time.monotonic() >= expires:
                raise expired()
        if given is not None:
            self._repeated.inc()
            return self._prediction(given.answer, probabilities, given.embedding)
        done = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            embedding, answer = await self._pass(image, expires, client_gone, in_batch)
            self._answers.keep(key, answer, embedding)
        finally:
            del self._under_way[key]
            done.set_result(None)
        return self._prediction(answer, probabilities, embedding)

    async def _pass(
        self,
        image: bytes | Given,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool,
    ) -> tuple[Features, Answer]:
        self.admit(False, expires)
        embedding, classified = await self._embedded(
            image, expires, client_gone, in_batch, self._batcher.alone
        )
        if classified is not None:
            return embedding, self._batcher.count(classified)
        return embedding, await self._batcher.submit(embedding, expires, client_gone)

    def admit(self, probabilities: bool, expires: float) -> None:
        """As ``Engine.admit``, with the wait for the extractor."""
        if probabilities:
            self.check_probabilities()
        wait = self.expected_wait
        if time.monotonic() + wait > expires:
            raise refused(wait)

    async def features(
        self,
        image: bytes | Given,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool = False,
    ) -> Features:
        """The embedding of an image, float32 [dimension]."""
        return (await self._embedded(image, expires, client_gone, in_batch))[0]

    async def _embedded(
        self,
        image: bytes | Given,
        expires: float,
        client_gone: Callable[[], bool],
        in_batch: bool,
        classify: Classify | None = None,
    ) -> tuple[Features, Measured | None]:
        """With what ``classify`` has made of it, if that was at hand."""
        lanes = self._lanes
        if isinstance(image, Given):
            return await lanes.submit(image.features, None, expires, client_gone, in_batch), None
        # The items of a batch take turns with those of others in front of the lanes.
        then = None if in_batch else lanes.beside.then(self._spec, classify)
        made = await self._decoder.pixels(image, self._spec, expires, client_gone, in_batch, then)
        if isinstance(made, Passed):
            lanes.beside.count(made)
            return made.embedding, made.classified
        return await lanes.submit(made, self._spec, expires, client_gone, in_batch), None

    async def classify(
        self,
        features: Features,
        probabilities: bool,
        expires: float,
        client_gone: Callable[[], bool],
    ) -> Prediction:
        super().admit(probabilities, expires)
        answer = await self._batcher.submit(features, expires, client_gone)
        return self._prediction(answer, probabilities, features)

    def _inputs(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._lanes.embedder.run(super()._inputs(pixels))

    @property
    def expected_wait(self) -> float:
        return self._lanes.expected_wait + self._batcher.expected_wait

    @property
    def expected_seconds(self) -> float:
        return self._lanes.expected_wait + self._lanes.expected_seconds + self.classifying_seconds
