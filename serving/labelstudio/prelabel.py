"""Labels tasks before people do, with the probability, by which Label Studio can sort them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from errors import BadRequestError, OverloadedError, RejectedImageError, RequestError
from records.labelstudio import MAX_TASKS, Task, read_tasks
from serving.classifying import Classifying, Item
from serving.endpoint import ClientGone, Exchange
from serving.http.fields import read_object
from serving.http.labelstudio import PRELABEL
from serving.http.parser import ImageItem
from serving.http.reply import Reply, json_reply
from serving.inference.admission import Admission
from serving.inference.engine import Engine, Prediction
from serving.inference.honesty import Said
from serving.labelstudio.config import Config, read_config
from serving.labelstudio.images import TaskImages
from serving.offloop import off_loop_if_large
from serving.recording.recorder import Recorder
from serving.responses import said_of_all
from serving.routing.registry import Registry
from serving.routing.trial import Tried
from settings import Settings

logger = logging.getLogger("pupila.labelstudio")

_AT_ONCE: Final = 256

# Label Studio sends thirty fields with each task.
_MAX_PARTS: Final = 40 * MAX_TASKS
_MAX_QUOTES: Final = 100 * MAX_TASKS

# Label Studio sends all tasks of a project in one request, and waits for 100 s.
_SECONDS: Final = 80.0

_NOTHING: Final[dict[str, Any]] = {"result": [], "score": 0.0}


class _Wants(NamedTuple):
    """Nothing but the label."""

    probabilities: bool = False
    embedding: bool = False
    coverage: float | None = None
    known: bool = False


class PreLabel(Classifying):
    """As many results as tasks; one without a label for a task whose image cannot be read."""

    route = PRELABEL

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        admission: Admission,
        recorder: Recorder | None,
        images: TaskImages,
    ) -> None:
        super().__init__(registry, settings, admission, recorder)
        self._images = images

    async def answer(self, exchange: Exchange, body: bytes, client_gone: ClientGone) -> Reply:
        model: str = exchange.scope["path_params"]["model"] or self._default_model
        exchange.require(model)
        fields = await off_loop_if_large(body, read_object, body, _MAX_PARTS, _MAX_QUOTES)
        config = read_config(fields.get("label_config"))
        tasks = read_tasks(fields, config.key)
        exchange.charge(len(tasks))
        clock = asyncio.get_running_loop().time
        ends = clock() + _SECONDS
        asking = partial(self._some, model, config, exchange, client_gone, ends)
        engine, results = await asking(tasks[:_AT_ONCE])
        while len(results) < len(tasks) and clock() < ends:
            try:
                engine, found = await asking(tasks[len(results) :][:_AT_ONCE])
            except OverloadedError as error:
                logger.warning("tasks for %s wait for the next request: %s", model, error)
                break
            results += found
        left = len(tasks) - len(results)
        if left:
            logger.warning("%d of %d tasks for %s get no label yet", left, len(tasks), model)
            results += [_nothing(engine)] * left
        return json_reply({"results": results, "model_version": engine.version.tag})

    async def _some(
        self,
        model: str,
        config: Config,
        exchange: Exchange,
        client_gone: ClientGone,
        ends: float,
        tasks: Sequence[Task],
    ) -> tuple[Engine, list[dict[str, Any]]]:
        """So many tasks that their images may be in memory together; they are waited for until the
        loop's clock says ``ends``."""
        with self._admission.bodies() as hold:
            loading = [self._item(task, hold, ends) for task in tasks]
            read = await asyncio.gather(*loading)
            _tell_unread(model, read)
            items: list[Item] = list(read)
            with self._admission.slots(len(items)):
                # From now on: what fetching takes is not the server's.
                expires = self._expires()
                trial = self._trials.get(model) if self._trials else None
                engine = exchange.engine = (
                    await self._engine(model, expires) if trial is None else trial.champion
                )
                answers = await self._each(engine, trial, items, _Wants(), expires, client_gone)
            said = await said_of_all(engine, answers, _Wants())
            self._record_items(engine, items, answers, said)
        results = [_result(config, engine, *pair) for pair in zip(answers, said, strict=True)]
        return engine, results

    async def _item(self, task: Task, hold: Callable[[int], None], ends: float) -> ImageItem:
        if isinstance(task.source, BadRequestError):
            return ImageItem(None, task.source)
        try:
            async with asyncio.timeout_at(ends):
                return ImageItem(task.request_id, await self._images.load(task.source, hold))
        except OverloadedError:
            raise
        except BadRequestError as error:
            return ImageItem(task.request_id, error)
        except TimeoutError:
            late = RejectedImageError("it did not arrive while Label Studio waits")
            return ImageItem(task.request_id, late)


def _tell_unread(model: str, items: Sequence[ImageItem]) -> None:
    """Label Studio shows nobody why a task has no label."""
    reasons = [str(item.image) for item in items if isinstance(item.image, BadRequestError)]
    if reasons:
        logger.warning(
            "%d of %d tasks for %s get no label; of the first: %s",
            len(reasons),
            len(items),
            model,
            reasons[0],
        )


def _nothing(engine: Engine) -> dict[str, Any]:
    """For a task without an answer. Label Studio asks again only for tasks that have none of a
    version: under another name, so that these can be found and tried again."""
    return {**_NOTHING, "model_version": f"{engine.version.tag} without an answer"}


def _result(
    config: Config,
    engine: Engine,
    answer: Prediction | Tried | RequestError,
    said: Said | None,
) -> dict[str, Any]:
    """``score``: the probability of the label, for the tasks that are least sure to come first."""
    if isinstance(answer, RequestError):
        return _nothing(engine)
    if isinstance(answer, Tried):
        engine, answer = answer.engine, answer.prediction
    scores, index = answer.answer
    score = float(scores[index]) if engine.manifest.gives_probabilities else 0.0
    found: dict[str, Any] = {
        "result": [],
        "score": score,
        "model_version": engine.version.tag,
    }
    choice = config.choices.get(str(answer.label))
    if choice is not None and not (said is not None and said.abstains):
        found["result"].append(
            {
                "from_name": config.from_name,
                "to_name": config.to_name,
                "type": "choices",
                "value": {"choices": [choice]},
                "score": score,
            }
        )
    return found
