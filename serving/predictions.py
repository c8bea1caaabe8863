"""The routes that classify: one image, or up to 256 in one request."""

from serving.classifying import Classifying, answered_by
from serving.endpoint import ClientGone, Exchange
from serving.http.parser import BatchQuery, Query, parse_batch, parse_query
from serving.http.reply import Headers, Reply, json_reply
from serving.http.routes import PREDICT, PREDICT_BATCH
from serving.http.schema import BatchResponse
from serving.http.uploads import parse_items, parse_plainly, parse_upload
from serving.offloop import LARGE_BYTES, off_loop, off_loop_if_large
from serving.responses import item_response, response_of, said_of_all


class _Listing(Classifying):
    """Answers an item each."""

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
            answers = await self._each(engine, trial, query.items, query, expires, client_gone)
        said = await said_of_all(engine, answers, query)
        self._record_items(engine, query.items, answers, said)
        content: BatchResponse = {
            "items": [
                item_response(item, answer, query, one)
                for item, answer, one in zip(query.items, answers, said, strict=True)
            ]
        }
        return json_reply(content, answered_by(engine, answers))


class Predict(_Listing):
    """Classifies one image, or those of a form."""

    route = PREDICT

    async def answer(self, exchange: Exchange, body: bytes, client_gone: ClientGone) -> Reply:
        scope = exchange.scope
        with self._admission.slots(1):
            query: Query | BatchQuery | None
            if len(body) > LARGE_BYTES:
                query = parse_plainly(scope, body, self._default_model)
                if query is None:
                    query = await off_loop(parse_upload, scope, body, self._default_model)
            elif body[:1] != b"{" or scope.get("query_string") or "path_params" in scope:
                query = parse_upload(scope, body, self._default_model)
            else:
                query = parse_query(body)
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
        exchange.engine = (
            await self._engine(query.model, expires) if trial is None else trial.champion
        )
        prediction = await self._ask(
            exchange, trial, query.request_id, query.image, query, expires, client_gone
        )
        response = response_of(query.request_id, prediction, query, exchange.said)
        return json_reply(response, exchange.engine.header)


class PredictBatch(_Listing):
    """Classifies the items of a request."""

    route = PREDICT_BATCH

    async def answer(self, exchange: Exchange, body: bytes, client_gone: ClientGone) -> Reply:
        if exchange.scope.get("query_string"):
            query = await off_loop_if_large(body, parse_items, exchange.scope, body)
        else:
            query = await off_loop_if_large(body, parse_batch, body)
        return await self._classify(exchange, query, client_gone)


def _id_header(request_id: str | int | None) -> Headers:
    """The header for an id that a header can carry; the body has any."""
    text = str(request_id)
    return [(b"x-request-id", text.encode())] if text.isascii() and text.isprintable() else []
