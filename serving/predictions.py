"""The routes that classify: one image, or up to 256 in one request."""

import asyncio
import time
from collections.abc import Sequence
from http import HTTPStatus

from errors import OverloadedError, RejectedImageError, RequestError
from serving.endpoint import ClientGone, Endpoint, Exchange
from serving.http.parser import BatchQuery, ImageItem, Query, parse_batch, parse_query
from serving.http.reply import Header, Headers, Reply, json_reply
from serving.http.routes import PREDICT, PREDICT_BATCH
from serving.http.schema import BatchResponse
from serving.http.uploads import parse_upload
from serving.inference.admission import Admission
from serving.inference.engine import Engine, Prediction
from serving.inference.honesty import Said
from serving.inference.registry import Registry
from serving.offloop import LARGE_BYTES, off_loop_if_large
from serving.recording.recorder import Recorder
from serving.responses import check, item_response, response_of, said_of, said_of_all
from serving.routing.trial import Tried
from settings import Settings


class _Classifying(Endpoint):
    """What both routes share: finding the engine, and recording the request."""

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

    async def _classify(
        self, exchange: Exchange, query: BatchQuery, client_gone: ClientGone
    ) -> Reply:
        """Each item succeeds or fails alone."""
        exchange.require(query.model)
        exchange.charge(len(query.items))
        with self._admission.slots(len(query.items)):
            expires = self._expires()
            trial = self._trials.get(query.model) if self._trials else None
            engine = exchange.engine = (
                await self._engine(query.model, expires) if trial is None else trial.champion
            )
            check(engine, query)

            async def classify(item: ImageItem) -> Prediction | Tried:
                if isinstance(item.image, RequestError):
                    raise item.image
                if trial is not None:
                    return await trial.answer(
                        item.request_id,
                        item.image,
                        query.probabilities,
                        expires,
                        client_gone,
                        in_batch=True,
                        embedding=query.embedding,
                        coverage=query.coverage,
                        known=query.known,
                    )
                return await engine.predict(
                    item.image, query.probabilities, expires, client_gone, in_batch=True
                )

            outcomes = await asyncio.gather(*map(classify, query.items), return_exceptions=True)
        answers = _expected(outcomes)
        said = await said_of_all(engine, answers, query)
        self._record_items(engine, query.items, answers, said)
        content: BatchResponse = {
            "items": [
                item_response(item, answer, query.embedding, one)
                for item, answer, one in zip(query.items, answers, said, strict=True)
            ]
        }
        return json_reply(content, _header(engine, answers))

    def _record_items(
        self,
        engine: Engine,
        items: Sequence[ImageItem],
        answers: Sequence[Prediction | Tried | RequestError],
        said: Sequence[Said | None],
    ) -> None:
        if self._recorder is None:
            return
        for item, answer, one in zip(items, answers, said, strict=True):
            if isinstance(answer, RequestError):
                self._recorder.failed(engine, answer.status)
                if isinstance(answer, RejectedImageError) and isinstance(item.image, bytes):
                    self._recorder.rejected(engine, item.request_id, item.image, answer.reason)
            elif isinstance(item.image, bytes):
                if isinstance(answer, Prediction):
                    self._recorder.predicted(
                        engine, item.request_id, item.image, answer.answer, said=one
                    )
                    continue
                kept = self._recorder.predicted(
                    answer.engine,
                    item.request_id,
                    item.image,
                    answer.prediction.answer,
                    said=one,
                )
                answer.trial.seen(answer, item.request_id, item.image, kept)


class Predict(_Classifying):
    """Classifies one image, or those of a form."""

    route = PREDICT

    async def answer(self, exchange: Exchange, body: bytes, client_gone: ClientGone) -> Reply:
        scope = exchange.scope
        with self._admission.slots(1):
            query: Query | BatchQuery
            is_plain = body[:1] == b"{" and len(body) <= LARGE_BYTES
            if is_plain and not scope.get("query_string") and "path_params" not in scope:
                query = parse_query(body)
            else:
                query = await off_loop_if_large(
                    body, parse_upload, scope, body, self._default_model
                )
            if isinstance(query, Query):
                return await self._one(exchange, query, client_gone)
        exchange.headers += _id_header(query.request_id)
        return await self._classify(exchange, query, client_gone)

    async def _one(self, exchange: Exchange, query: Query, client_gone: ClientGone) -> Reply:
        exchange.request_id = query.request_id
        if query.in_header:
            exchange.headers += _id_header(query.request_id)
        exchange.require(query.model)
        expires = self._expires()
        trial = self._trials.get(query.model) if self._trials else None
        engine = exchange.engine = (
            await self._engine(query.model, expires) if trial is None else trial.champion
        )
        check(engine, query)
        try:
            if trial is None:
                prediction = await engine.predict(
                    query.image, query.probabilities, expires, client_gone
                )
            else:
                tried = exchange.tried = await trial.answer(
                    query.request_id,
                    query.image,
                    query.probabilities,
                    expires,
                    client_gone,
                    embedding=query.embedding,
                    coverage=query.coverage,
                    known=query.known,
                )
                engine = exchange.engine = tried.engine
                prediction = tried.prediction
        except RejectedImageError as error:
            if self._recorder is not None:
                self._recorder.rejected(engine, query.request_id, query.image, error.reason)
            raise
        exchange.image, exchange.answer = query.image, prediction.answer
        if query.coverage is not None or query.known or engine.honesty.abstain is not None:
            exchange.said = await said_of(engine, prediction, query)
        response = response_of(query.request_id, prediction, query.embedding, exchange.said)
        return json_reply(response, engine.header)


class PredictBatch(_Classifying):
    """Classifies the items of a request."""

    route = PREDICT_BATCH

    async def answer(self, exchange: Exchange, body: bytes, client_gone: ClientGone) -> Reply:
        query = await off_loop_if_large(body, parse_batch, body)
        return await self._classify(exchange, query, client_gone)


def _id_header(request_id: str | int | None) -> Headers:
    """The header for an id that a header can carry; the body has any."""
    text = str(request_id)
    return [(b"x-request-id", text.encode())] if text.isascii() and text.isprintable() else []


def _header(engine: Engine, answers: Sequence[Prediction | Tried | RequestError]) -> Header:
    """Who answered: the champion, or both if the challenger was among them."""
    others = {a.engine for a in answers if isinstance(a, Tried)} - {engine}
    if not others:
        return engine.header
    if all(a.engine in others for a in answers if isinstance(a, Tried)):
        return others.pop().header
    name, value = engine.header
    return name, b", ".join([value, *(other.header[1] for other in others)])


def _expected(
    outcomes: Sequence[Prediction | Tried | BaseException],
) -> list[Prediction | Tried | RequestError]:
    """The outcomes, if none is an error that nobody expected, and not all are refusals."""
    answers: list[Prediction | Tried | RequestError] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, RequestError):
            raise outcome
        answers.append(outcome)
    refusals = [answer for answer in answers if isinstance(answer, OverloadedError)]
    if len(refusals) == len(answers):
        raise refusals[0]
    return answers
