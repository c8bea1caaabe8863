"""Takes annotations as labels: acknowledged at once, since Label Studio waits for one second and
never asks again, and written afterwards. What is missed, ``python -m records labelstudio import``
finds."""

import asyncio
import logging
import math
import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from errors import (
    BadRequestError,
    ImageError,
    OverloadedError,
    RecordsError,
    RejectedImageError,
    RequestError,
)
from images.decoding import examine
from models.names import model_name
from records.labelstudio import choice_of, label_of, remark_of, request_id_of
from serving.endpoint import ClientGone, Endpoint, Exchange
from serving.http.fields import read_object
from serving.http.labelstudio import WEBHOOK
from serving.http.reply import Reply, json_reply
from serving.http.schema import MAX_LABELS
from serving.inference.admission import Admission
from serving.labelstudio.config import read_config
from serving.labelstudio.images import TaskImages
from serving.metrics import LABELS
from serving.offloop import off_loop_if_large
from serving.recording.allowance import Allowance
from serving.recording.connection import RecordsConnection
from serving.recording.recorder import Recorder
from serving.routing.registry import Registry
from settings import Settings

if TYPE_CHECKING:
    from records.labels import Outcome

logger = logging.getLogger("pupila.labelstudio")

MOST: Final = 256
"""Webhooks that wait to be written."""

_PAUSES: Final = (0.0, 1.0, 5.0, 20.0)
_REFUSED: Final = ("unknown", "full")
_CREATED: Final = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_CREATED")
_DELETED: Final = "ANNOTATIONS_DELETED"


class Change:
    """What a webhook tells: labels to add, where their image is, and remarks of those to delete."""

    def __init__(self, fields: dict[str, Any]) -> None:
        """Raises BadRequestError."""
        self.action = fields.get("action")
        self.deleted: list[str] = []
        self.choices: list[tuple[str, str]] = []
        self.request_id, self.source = "", ""
        project = fields.get("project")
        if self.action == _DELETED:
            gone = fields.get("annotations", fields.get("annotation"))
            self.deleted = [remark_of(project, _number(one)) for one in _listed(gone)]
            return
        if self.action not in _CREATED:
            return
        task = fields.get("task")
        if type(task) is not dict or type(task.get("data")) is not dict:
            raise BadRequestError("A webhook must have the task: switch on Send payload.")
        self.request_id = request_id_of(task, project)
        self.source = _source(task["data"], project)
        for annotation in _listed(fields.get("annotation")):
            remark, choice = remark_of(project, _number(annotation)), choice_of(annotation)
            if choice is None:
                self.deleted.append(remark)
            else:
                self.choices.append((remark, choice))

    @property
    def is_empty(self) -> bool:
        return not self.deleted and not self.choices

    @property
    def remarks(self) -> list[str]:
        """Those of all annotations that it is about."""
        return [*self.deleted, *(remark for remark, _ in self.choices)]


class Webhook(Endpoint):
    """Its annotations are labels of the model that the path names, of one source for all."""

    route = WEBHOOK

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        admission: Admission,
        recorder: Recorder | None,
        records: RecordsConnection,
        images: TaskImages,
        workers: int = 1,
    ) -> None:
        super().__init__(settings, admission)
        per_worker = settings.label_per_minute / workers
        self._labels = Allowance(per_worker, time.monotonic(), MAX_LABELS)
        self._max_pixels = settings.max_image_pixels
        self._registry = registry
        self._default_model = settings.default_model
        self._recorder = recorder
        self._records = records
        self._images = images
        self._writing: set[asyncio.Task[None]] = set()
        # By an annotation's remark: what is said of it later must be written later, too.
        self._newest: dict[str, asyncio.Task[None]] = {}

    def close(self) -> None:
        for task in self._writing:
            task.cancel()

    async def answer(
        self,
        exchange: Exchange,
        body: bytes,
        client_gone: ClientGone,  # noqa: ARG002 - an annotation is kept even if its client is gone
    ) -> Reply:
        model = model_name(exchange.scope["path_params"]["model"] or self._default_model)
        exchange.require(model)
        classes = self._registry.labels(model)
        if classes is None:
            raise BadRequestError("Invalid model name")
        change = Change(await off_loop_if_large(body, read_object, body))
        if change.is_empty:
            return json_reply({"status": "ignored"})
        for _, choice in change.choices:
            if type(label_of(choice, classes)) is not type(classes[0]):
                raise BadRequestError(
                    f"The choice {choice[:40]!r} cannot be a label of {model}, whose labels are "
                    "integers."
                )
        count = max(1, len(change.choices))
        now = time.monotonic()
        wait = self._labels.wait(count, now)
        if wait:
            raise OverloadedError(
                "More labels arrived in a minute than the server keeps; the next import has them.",
                "capacity",
                retry_after=math.ceil(wait),
            )
        self._labels.take(count)
        if len(self._writing) >= MOST:
            logger.warning("an annotation was left to the next import: %d wait already", MOST)
            return json_reply({"status": "left to the next import"})
        exchange.charge(count)
        key = exchange.caller.key.name if exchange.caller is not None else None
        remarks = [f"{model}, {remark}" for remark in change.remarks]
        before = {self._newest[remark] for remark in remarks if remark in self._newest}
        task = asyncio.create_task(self._write(change, model, key, before))
        self._writing.add(task)
        self._newest |= dict.fromkeys(remarks, task)
        task.add_done_callback(partial(self._written, remarks))
        return json_reply({"status": "ok"}, status=201)

    def _written(self, remarks: Sequence[str], task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        for remark in remarks:
            if self._newest.get(remark) is task:
                del self._newest[remark]

    def record(self, exchange: Exchange, status: int, seconds: float) -> None:
        """Nothing: labels are no predictions."""

    async def _write(
        self, change: Change, model: str, key: str | None, before: Collection[asyncio.Task[None]]
    ) -> None:
        if before:
            # Whatever became of them: a creation that is tried again must not undo a deletion.
            await asyncio.wait(before)
        reason = ""
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            try:
                await self._keep(change, model, key)
            except (RecordsError, OverloadedError) as error:
                reason = str(error)
            except RequestError as error:
                # That of an image, which will not change.
                logger.warning("an annotation's image cannot be kept: %s", error)
                return
            except Exception:
                logger.exception("an annotation was lost until the next import")
                return
            else:
                return
        logger.warning("an annotation was left to the next import: %s", reason)

    async def _keep(self, change: Change, model: str, key: str | None) -> None:
        if self._recorder is not None and change.request_id:
            await self._recorder.settle({change.request_id})
        outcomes = await asyncio.to_thread(self._store, change, model, key, b"")
        if any(outcome.status == "unknown" for outcome in outcomes):
            # The prediction was not kept, or never made: the label brings the image.
            with self._admission.bodies() as hold:
                image = await self._images.load(change.source, hold)
                try:
                    await asyncio.to_thread(examine, image, self._max_pixels)
                except ImageError as error:
                    raise RejectedImageError(str(error)) from None
                outcomes = await asyncio.to_thread(self._store, change, model, key, image)
        for outcome in outcomes:
            LABELS.labels("refused" if outcome.status in _REFUSED else outcome.status).inc()

    def _store(self, change: Change, model: str, key: str | None, image: bytes) -> "list[Outcome]":
        from records.annotations import SOURCE
        from records.annotations import change as change_labels
        from records.labels import NewLabel

        classes = self._registry.labels
        labels: list[NewLabel] = [
            NewLabel(
                change.request_id,
                label_of(choice, classes(model)),
                model,
                image or None,
                SOURCE,
                key,
                remark,
            )
            for remark, choice in change.choices
        ]
        with self._records.open() as database:
            outcomes, _ = change_labels(database, model, labels, change.deleted, classes, key)
        return outcomes


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else [] if value is None else [value]


def _number(annotation: Any) -> Any:
    return annotation.get("id") if type(annotation) is dict else annotation


def _source(data: dict[str, Any], project: Any) -> str:
    """Of the task's image: by the project's configuration, or the only text that it can be."""
    config = project.get("label_config") if type(project) is dict else None
    if config:
        return str(data.get(read_config(config).key, ""))
    texts = [value for value in data.values() if type(value) is str and ":" in value[:8]]
    return texts[0] if texts else ""
