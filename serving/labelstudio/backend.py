"""What Label Studio asks of a backend besides labels: health, versions, and a project's setup."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.types import Receive, Scope

from errors import BadRequestError, RequestError
from models.version import Version
from serving.endpoint import ClientGone, Endpoint, Exchange
from serving.http.fields import read_object
from serving.http.front import Answer
from serving.http.labelstudio import HEALTH, PRELABEL, SETUP, VERSIONS, WEBHOOK
from serving.http.reply import Reply, error_reply, json_reply
from serving.inference.admission import Admission
from serving.keys.caller import CALLER, Caller
from serving.labelstudio.config import read_config
from serving.labelstudio.images import TaskImages
from serving.labelstudio.prelabel import PreLabel
from serving.labelstudio.webhook import Webhook
from serving.offloop import off_loop_if_large
from serving.recording.connection import RecordsConnection
from serving.recording.recorder import Recorder
from serving.routing.registry import Registry
from settings import Settings

_UP: Final = "UP"


class Backend:
    """All of its routes."""

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        admission: Admission,
        recorder: Recorder | None,
        records: RecordsConnection,
        workers: int = 1,
    ) -> None:
        self._registry = registry
        self._default_model = settings.default_model
        self._images = TaskImages(settings)
        self._webhook = Webhook(
            registry, settings, admission, recorder, records, self._images, workers
        )
        self._answers: dict[str, Answer] = {
            HEALTH.path: self._getting(self._health),
            VERSIONS.path: self._getting(self._versions),
            SETUP.path: Setup(registry, settings, admission),
            PRELABEL.path: PreLabel(registry, settings, admission, recorder, self._images),
            WEBHOOK.path: self._webhook,
        }

    def answers(self) -> Mapping[str, Answer]:
        """What answers each path."""
        return self._answers

    def close(self) -> None:
        self._webhook.close()
        self._images.close()

    def _health(self, version: Version) -> dict[str, Any]:
        return {"status": _UP, "model_class": version.manifest.estimator, "v2": True}

    def _versions(self, version: Version) -> dict[str, Any]:
        known = self._registry.champions.versions[version.name]
        return {"versions": [one.tag for one in known.values()], "message": ""}

    def _getting(
        self, content: Callable[[Version], dict[str, Any]]
    ) -> Callable[[Scope, Receive], Awaitable[Reply]]:
        async def answer(scope: Scope, _: Receive) -> Reply:
            try:
                model = scope["path_params"]["model"] or self._default_model
                caller: Caller | None = scope.get(CALLER)
                if caller is not None:
                    caller.require(model)
                return json_reply(content(_found(self._registry, model)))
            except RequestError as error:
                return error_reply(error)

        return answer


class Setup(Endpoint):
    """Checks a project when the backend is connected to it."""

    route = SETUP

    def __init__(self, registry: Registry, settings: Settings, admission: Admission) -> None:
        super().__init__(settings, admission)
        self._registry = registry
        self._default_model = settings.default_model

    async def answer(self, exchange: Exchange, body: bytes, _: ClientGone) -> Reply:
        model = exchange.scope["path_params"]["model"] or self._default_model
        exchange.require(model)
        fields = await off_loop_if_large(body, read_object, body)
        version = _found(self._registry, model)
        if fields.get("schema"):
            config = read_config(fields["schema"])
            labels = {str(label) for label in version.manifest.labels}
            if config.choices and not labels & config.choices.keys():
                raise BadRequestError(
                    f"None of the project's choices is a label of {version.tag}: "
                    f"{', '.join(sorted(labels)[:10])}."
                )
        return json_reply({"model_version": version.tag})

    def record(self, exchange: Exchange, status: int, seconds: float) -> None:
        """Nothing: it is about no image."""


def _found(registry: Registry, model: str) -> Version:
    version = registry.find(model)
    if version is None:
        raise BadRequestError("Invalid model name")
    return version
