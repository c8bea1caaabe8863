"""What every route that classifies does: find who answers, ask, and have it recorded."""

import asyncio
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from errors import OverloadedError, RejectedImageError, RequestError, forget
from serving.endpoint import ClientGone, Endpoint, Exchange
from serving.http.parser import ImageItem, Wants
from serving.http.reply import Header
from serving.inference.admission import Admission
from serving.inference.batcher import Answer
from serving.inference.engine import Engine, Given, Prediction
from serving.inference.honesty import Said
from serving.recording.recorder import Recorder
from serving.responses import check, said_of
from serving.routing.registry import Registry
from serving.routing.trial import Trial, Tried
from settings import Settings


class GivenItem(NamedTuple):
    """One of several that need no decoding."""

    request_id: str
    image: Given


Item = ImageItem | GivenItem


class Classifying(Endpoint):
    """What the routes share: finding the engine, asking it, and recording the request."""

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        admission: Admission,
        recorder: Recorder | None = None,
    ) -> None:
        """Without a recorder, nothing is kept."""
        super().__init__(settings, admission)
        self._registry = registry
        self._trials = registry.trials.running
        self._recorder = recorder
        self._default_model = settings.default_model

    def record(self, exchange: Exchange, status: int, seconds: float) -> None:
        if self._recorder is None:
            return
        engine = exchange.engine
        if engine is not None and exchange.answer is not None:
            if not exchange.image:
                self._recorder.counted(engine, exchange.answer, seconds)
                return
            kept = self._recorder.predicted(
                engine,
                exchange.request_id,
                exchange.image,
                exchange.answer,
                seconds,
                exchange.said,
            )
            tried = exchange.tried
            if tried is not None:
                tried.trial.seen(tried, exchange.request_id, exchange.image, kept)
            return
        self._recorder.took(engine, seconds)
        if status != HTTPStatus.OK:
            self._recorder.failed(engine, status)

    def _expires(self) -> float:
        return time.monotonic() + self._admission.deadline_seconds

    async def _engine(self, model: str, expires: float) -> Engine:
        engine = self._registry.loaded(model)
        if engine is not None:
            return engine
        try:
            async with asyncio.timeout(expires - time.monotonic()):
                return await self._registry.load(model)
        except TimeoutError:
            raise OverloadedError(f"{model} is being loaded; try again.", "loading") from None

    async def _each(
        self,
        engine: Engine,
        trial: Trial | None,
        items: Sequence[Item],
        wants: Wants,
        expires: float,
        client_gone: ClientGone,
    ) -> list[Prediction | Tried | RequestError]:
        """What becomes of each item of a request."""
        check(engine, wants)

        async def classify(item: Item) -> Prediction | Tried:
            if isinstance(item.image, RequestError):
                raise item.image
            if trial is not None:
                return await trial.answer(
                    item.request_id, item.image, wants, expires, client_gone, in_batch=True
                )
            return await engine.predict(
                item.image, wants.probabilities, expires, client_gone, in_batch=True
            )

        return _expected(await asyncio.gather(*map(classify, items), return_exceptions=True))

    async def _ask(
        self,
        exchange: Exchange,
        trial: Trial | None,
        request_id: str | int,
        image: bytes | Given,
        wants: Wants,
        expires: float,
        client_gone: ClientGone,
    ) -> Prediction:
        """What becomes of the one image of a request, whose engine is known."""
        engine = exchange.engine
        assert engine is not None  # noqa: S101 - for the type checker
        check(engine, wants)
        file = image.image if isinstance(image, Given) else image
        try:
            if trial is None:
                prediction = await engine.predict(image, wants.probabilities, expires, client_gone)
            else:
                tried = exchange.tried = await trial.answer(
                    request_id, image, wants, expires, client_gone
                )
                engine = exchange.engine = tried.engine
                prediction = tried.prediction
        except RejectedImageError as error:
            if self._recorder is not None:
                self._recorder.rejected(engine, request_id, file, error.reason)
            raise
        exchange.image, exchange.answer = file, prediction.answer
        if wants.coverage is not None or wants.known or engine.honesty.abstain is not None:
            exchange.said = await said_of(engine, prediction, wants)
        return prediction

    def _record_items(
        self,
        engine: Engine,
        items: Sequence[Item],
        answers: Sequence[Prediction | Tried | RequestError],
        said: Sequence[Said | None],
    ) -> None:
        if self._recorder is None:
            return
        for item, answer, one in zip(items, answers, said, strict=True):
            file = item.image.image if isinstance(item.image, Given) else item.image
            if isinstance(answer, RequestError):
                self._recorder.failed(engine, answer.status)
                if isinstance(answer, RejectedImageError) and isinstance(file, bytes):
                    self._recorder.rejected(engine, item.request_id, file, answer.reason)
            elif file == b"":
                answerer, given = _answered(engine, answer)
                self._recorder.counted(answerer, given)
            elif isinstance(file, bytes):
                answerer, given = _answered(engine, answer)
                kept = self._recorder.predicted(answerer, item.request_id, file, given, said=one)
                if isinstance(answer, Tried):
                    answer.trial.seen(answer, item.request_id, file, kept)


def _answered(engine: Engine, answer: Prediction | Tried) -> tuple[Engine, Answer]:
    """Who answered, and what."""
    if isinstance(answer, Tried):
        return answer.engine, answer.prediction.answer
    return engine, answer.answer


def _expected(
    outcomes: Sequence[Prediction | Tried | BaseException],
) -> list[Prediction | Tried | RequestError]:
    """The outcomes, if none is an error that nobody expected, and not all are refusals."""
    answers: list[Prediction | Tried | RequestError] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, RequestError):
            raise outcome
        if isinstance(outcome, RequestError):
            # The image of an item is in its frames.
            forget(outcome)
        answers.append(outcome)
    refusals = [answer for answer in answers if isinstance(answer, OverloadedError)]
    if len(refusals) == len(answers):
        raise refusals[0]
    return answers


def answered_by(engine: Engine, answers: Sequence[Prediction | Tried | RequestError]) -> Header:
    """The header that says who answered: the champion, or both if the challenger was among them."""
    others = {a.engine for a in answers if isinstance(a, Tried)} - {engine}
    if not others:
        return engine.header
    if all(a.engine in others for a in answers if isinstance(a, Tried)):
        return others.pop().header
    name, value = engine.header
    return name, b", ".join([value, *(other.header[1] for other in others)])
