"""The route that receives true labels: answered once they are in the database."""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Sequence

from errors import DatabaseError, NotFoundError, OverloadedError, RequestError, SchemaError
from records.key import Key
from serving.endpoint import ClientGone, Endpoint, Exchange
from serving.http.parser import FeedbackQuery, LabelItem, TrueLabel, parse_feedback
from serving.http.reply import Reply, json_reply
from serving.http.routes import FEEDBACK
from serving.http.schema import MAX_LABELS, FeedbackListResponse, FeedbackResponse, ItemError
from serving.inference.admission import Admission
from serving.metrics import LABELS
from serving.offloop import off_loop_if_large
from serving.recording.allowance import Allowance
from serving.recording.connection import RecordsConnection
from serving.recording.labels import LabelWriter, Result, not_kept
from serving.recording.recorder import Recorder
from serving.routing.registry import Registry
from serving.tracing.trace import TRACE, clock
from settings import Settings

logger = logging.getLogger("pupila.feedback")

# Pauses before a prediction is looked up again: another worker may have it in memory, and writes
# to the database twice a second.
_PAUSES = (0.2, 0.4, 0.6)

# Requests that wait for the database at the same time.
_MAX_REQUESTS = 64


class Feedback(Endpoint):
    """Keeps true labels that people and systems send."""

    route = FEEDBACK

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        admission: Admission,
        recorder: Recorder | None,
        records: RecordsConnection,
        *,
        shared: bool,
        workers: int = 1,
    ) -> None:
        """``shared``: whether another worker may hold the prediction in memory."""
        super().__init__(settings, admission)
        now = time.monotonic()
        self._labels = Allowance(settings.label_per_minute / workers, now, MAX_LABELS)
        self._bytes = Allowance(
            settings.label_bytes_per_minute / workers, now, settings.max_body_bytes
        )
        self._recorder = recorder
        self._pauses = _PAUSES if shared and recorder is not None else ()
        self._writer = LabelWriter(registry.labels, records, settings.max_image_pixels)
        self._requests = 0

    def close(self) -> None:
        self._writer.close()

    async def answer(
        self,
        exchange: Exchange,
        body: bytes,
        client_gone: ClientGone,  # noqa: ARG002 - a label is kept even if its client is gone
    ) -> Reply:
        query = await off_loop_if_large(body, parse_feedback, body)
        exchange.request_id = query.items[0].request_id
        exchange.charge(len(query.items))
        key = exchange.caller.key if exchange.caller is not None else None
        return _reply(query, await self._results(query.items, key))

    def record(self, exchange: Exchange, status: int, seconds: float) -> None:
        """Nothing: labels are kept before the answer, and are not predictions to be counted."""

    async def _results(self, items: Sequence[LabelItem], key: Key | None) -> list[Result]:
        """One for each item, in order; raises OverloadedError if the database is unavailable."""
        if self._requests >= _MAX_REQUESTS:
            raise OverloadedError(
                f"The server is busy with the labels of {_MAX_REQUESTS} requests; try again.",
                "capacity",
            )
        self._admit(items)
        self._requests += 1
        try:
            if self._recorder is not None:
                await self._recorder.settle({str(item.request_id) for item in items})
            results: list[Result] = [not_kept(item) for item in items]
            for pause in self._pauses:
                # Without their images, which would keep a second copy of the prediction.
                await self._keep(items, results, key, with_images=False)
                if not any(isinstance(result, NotFoundError) for result in results):
                    break
                await asyncio.sleep(pause)
            else:
                await self._keep(items, results, key, with_images=True)
        except (DatabaseError, SchemaError) as error:
            logger.warning("labels were refused: %s", error)
            raise OverloadedError(
                "The database is unavailable, so labels may not have been kept; try again.",
                "records",
            ) from None
        finally:
            self._requests -= 1
        outcomes = Counter(
            "refused" if isinstance(result, RequestError) else result["outcome"]
            for result in results
        )
        for outcome, count in outcomes.items():
            LABELS.labels(outcome).inc(count)
        return results

    def _admit(self, items: Sequence[LabelItem]) -> None:
        """Raises OverloadedError if that many labels, and bytes of images, are too many now."""
        size = sum(
            len(item.true_label.image or b"")
            for item in items
            if isinstance(item.true_label, TrueLabel)
        )
        now = time.monotonic()
        wait = max(self._labels.wait(len(items), now), self._bytes.wait(size, now))
        if wait:
            raise OverloadedError(
                "More labels, or images with labels, arrived in a minute than the server keeps; "
                "try again later.",
                "capacity",
                retry_after=math.ceil(wait),
            )
        self._labels.take(len(items))
        self._bytes.take(size)

    async def _keep(
        self,
        items: Sequence[LabelItem],
        results: list[Result],
        key: Key | None,
        *,
        with_images: bool,
    ) -> None:
        """Try again those items whose prediction was not found, and update their ``results``."""
        missing = [i for i, result in enumerate(results) if isinstance(result, NotFoundError)]
        began, trace = clock(), TRACE.get()
        try:
            written = await self._writer.write([items[i] for i in missing], with_images, key)
        finally:
            if trace is not None:
                trace.stage("write", began, **{"pupila.labels": len(missing)})
        for index, result in zip(missing, written, strict=True):
            results[index] = result


def _reply(query: FeedbackQuery, results: list[Result]) -> Reply:
    if query.form == "one":
        [result] = results
        if isinstance(result, RequestError):
            raise result
        return json_reply(result)
    answers = [
        _item_response(item, result) for item, result in zip(query.items, results, strict=True)
    ]
    wrapped: FeedbackListResponse = {"items": answers}
    return json_reply(wrapped if query.form == "items" else answers)


def _item_response(item: LabelItem, result: Result) -> FeedbackResponse | ItemError:
    if isinstance(result, RequestError):
        return {"request_id": item.request_id, "detail": str(result)}
    return result
