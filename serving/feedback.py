"""``POST /feedback/``: from labels to the database, and then to the answer."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope

from errors import (
    BadRequestError,
    DatabaseError,
    ImageError,
    NotFoundError,
    OverloadedError,
    RejectedImageError,
    RequestError,
    SchemaError,
)
from images.decoding import examine
from models.manifest import Label
from serving.access import AccessLog
from serving.http.body import read_body
from serving.http.parser import FeedbackQuery, LabelItem, TrueLabel, parse_feedback
from serving.http.reply import INTERNAL, Reply, fault_reply, json_reply
from serving.inference.admission import Admission
from serving.inference.registry import Registry, model_name
from serving.metrics import LABELS, REJECTED
from serving.recording.connection import RecordsConnection
from serving.recording.recorder import Recorder
from settings import Settings

if TYPE_CHECKING:
    from records.labels import Outcome

logger = logging.getLogger("pupila.feedback")

# When a prediction is looked for again that another worker may not have written yet: it does so
# twice a second.
_PAUSES = (0.2, 0.4, 0.6)

# Requests that wait for the database at once, and the threads that they share.
_REQUESTS = 64
_THREADS = 4

Result = dict[str, Any] | RequestError


class Feedback:
    """Keeps what people and systems say that images really are."""

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        records: RecordsConnection,
        recorder: Recorder | None,
        admission: Admission,
        others: bool,
    ) -> None:
        """``others``: whether predictions may be in the memory of another worker."""
        self._registry = registry
        self._records = records
        self._recorder = recorder
        self._admission = admission
        self._pauses = _PAUSES if others and recorder is not None else ()
        self._max_body_bytes = settings.max_body_bytes
        self._max_pixels = settings.max_image_pixels
        self._access = AccessLog(settings)
        self._threads = ThreadPoolExecutor(_THREADS, "feedback")
        self._held = 0

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def feedback(self, scope: Scope, receive: Receive) -> Reply:
        """Every error is a reply; nothing is raised."""
        started = time.perf_counter()
        request_id: str | int | None = None
        try:
            with self._admission.bodies() as hold:
                body = await read_body(scope, receive, self._max_body_bytes, hold)
                query = parse_feedback(body)
                request_id = query.items[0].request_id
                reply = _reply(query, await self._results(query.items))
        except RequestError as error:
            if isinstance(error, OverloadedError):
                REJECTED.labels(error.reason).inc()
            reply = fault_reply(error)
        except Exception:
            logger.exception("feedback to %r failed", request_id)
            reply = fault_reply(INTERNAL)
        seconds = time.perf_counter() - started
        self._access.log("/feedback/", request_id, None, reply.status, seconds)
        return reply

    async def _results(self, items: Sequence[LabelItem]) -> list[Result]:
        """One for each, in order; raises OverloadedError if the database is away."""
        if self._held >= _REQUESTS:
            raise OverloadedError(
                f"The server keeps {_REQUESTS} requests' labels at once; try again.", "capacity"
            )
        self._held += 1
        try:
            if self._recorder is not None:
                await self._recorder.settle({str(item.request_id) for item in items})
            # Not yet with their images: they would be kept a second time.
            results: list[Result] = [_not_kept(item) for item in items]
            for pause in self._pauses:
                await self._keep(items, results, images=False)
                if not any(isinstance(result, NotFoundError) for result in results):
                    break
                await asyncio.sleep(pause)
            else:
                await self._keep(items, results, images=True)
        except (DatabaseError, SchemaError) as error:
            logger.warning("labels were refused: %s", error)
            raise OverloadedError(
                "The database cannot be reached; labels may not be kept; try again.", "records"
            ) from None
        finally:
            self._held -= 1
        for result in results:
            LABELS.labels(
                "refused" if isinstance(result, RequestError) else result["outcome"]
            ).inc()
        return results

    async def _keep(
        self, items: Sequence[LabelItem], results: list[Result], *, images: bool
    ) -> None:
        """Put into ``results`` what becomes of those whose prediction is still missing."""
        missing = {
            place: item
            for place, item in enumerate(items)
            if isinstance(results[place], NotFoundError)
        }
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, self._write, list(missing.values()), images
        )
        for place, result in zip(missing, found, strict=True):
            results[place] = result

    def _write(self, items: Sequence[LabelItem], images: bool) -> list[Result]:
        """In one transaction, on a thread."""
        results: list[Result] = [self._checked(item) or _not_kept(item) for item in items]
        while True:
            good = [
                place for place, result in enumerate(results) if isinstance(result, NotFoundError)
            ]
            try:
                outcomes = self._add([items[place] for place in good], images)
            except _WrongTypeError as wrong:
                # Nothing was committed: again without it.
                for place, fault in wrong.faults.items():
                    results[good[place]] = fault
                continue
            for place, outcome in zip(good, outcomes, strict=True):
                if outcome.status != "unknown":
                    results[place] = _content(items[place], outcome)
            return results

    def _checked(self, item: LabelItem) -> BadRequestError | None:
        """What is wrong with it, as far as that can be told without the database."""
        truth = item.truth
        if isinstance(truth, BadRequestError):
            return truth
        model = model_name(truth.model) if truth.model is not None else None
        fault = self._wrong_type(item, model)
        if fault is not None or truth.image is None:
            return fault
        if model is None or self._registry.labels(model) is None:
            return BadRequestError("Invalid model name")
        try:
            examine(truth.image, self._max_pixels)
        except ImageError as error:
            return RejectedImageError(str(error))
        return None

    def _add(self, items: Sequence[LabelItem], images: bool) -> "list[Outcome]":
        from records.labels import add_labels

        with self._records.open() as database, database.writing() as connection:
            outcomes = add_labels(
                connection, [_stored(item, images) for item in items], self._registry.labels
            )
            faults = {
                place: fault
                for place, (item, outcome) in enumerate(zip(items, outcomes, strict=True))
                if (fault := self._wrong_type(item, outcome.model))
            }
            if faults:
                raise _WrongTypeError(faults)
        return outcomes

    def _wrong_type(self, item: LabelItem, model: str | None) -> BadRequestError | None:
        labels = self._registry.labels(model) if model is not None else None
        truth = item.truth
        if not labels or isinstance(truth, BadRequestError):
            return None
        if type(truth.label) is type(labels[0]):
            return None
        return BadRequestError(
            f"label must be {_kind(labels[0])}, as the labels of {model} are, not "
            f"{_kind(truth.label)}."
        )


class _WrongTypeError(Exception):
    """By their place, labels that no class of their prediction's model can be."""

    def __init__(self, faults: dict[int, BadRequestError]) -> None:
        super().__init__()
        self.faults = faults


def _stored(item: LabelItem, images: bool) -> Any:
    from records.labels import Feedback as Stored

    truth = item.truth
    assert isinstance(truth, TrueLabel)  # noqa: S101 - for the type checker
    return Stored(
        str(item.request_id),
        truth.label,
        None if truth.model is None else model_name(truth.model),
        truth.image if images else None,
        truth.source,
    )


def _content(item: LabelItem, outcome: "Outcome") -> dict[str, Any]:
    return {
        "request_id": item.request_id,
        "outcome": outcome.status,
        "model": outcome.model,
        "version": outcome.version,
        "known": outcome.known,
        "conflict": outcome.conflict,
    }


def _not_kept(item: LabelItem) -> NotFoundError:
    return NotFoundError(
        f"No prediction with request_id {item.request_id!r} was kept; send its model and image "
        "along to keep the label."
    )


def _kind(label: Label) -> str:
    return "a string" if isinstance(label, str) else "an integer"


def _reply(query: FeedbackQuery, results: list[Result]) -> Reply:
    if query.form == "one":
        [result] = results
        if isinstance(result, RequestError):
            raise result
        return json_reply(result)
    answers = [
        {"request_id": item.request_id, "detail": str(result)}
        if isinstance(result, RequestError)
        else result
        for item, result in zip(query.items, results, strict=True)
    ]
    return json_reply({"items": answers} if query.form == "items" else answers)
