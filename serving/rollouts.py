"""The routes for operators under ``/rollouts/``: see rollouts, begin them and end them.

They say what was decided; that every worker follows is the business of
``serving.routing.watch``. Asked again for what is so already, they change nothing and say so.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from errors import (
    BadRequestError,
    ConflictError,
    DatabaseError,
    OverloadedError,
    RecordsError,
    RequestError,
    RolloutError,
    SchemaError,
)
from records.routing import Decision, Rollout
from serving.http.body import read_body
from serving.http.reply import error_reply
from serving.http.rollout_schema import (
    DecisionListing,
    HistoryResponse,
    RolloutChange,
    RolloutReport,
    RolloutResponse,
    RolloutsResponse,
    RolloutStart,
)
from serving.http.routes import (
    ROLLOUT_ABORT,
    ROLLOUT_HISTORY,
    ROLLOUT_PAUSE,
    ROLLOUT_PROMOTE,
    ROLLOUT_RESUME,
    ROLLOUT_START,
    ROLLOUTS,
)
from serving.keys.caller import CALLER, Caller
from serving.recording.connection import RecordsConnection
from serving.rollout_changes import abort, pause, promote, resume, start
from serving.routing.registry import Registry

if TYPE_CHECKING:
    from records.database import Database

logger = logging.getLogger("pupila.rollouts")

_MOST_BYTES: Final = 65_536
_MOST_ROWS: Final = 200

# Who asked, where the server has no keys: see records.audit.
_LOOPBACK: Final = "loopback"

Asked = TypeVar("Asked", RolloutStart, RolloutChange)
Found = TypeVar("Found")
Change = Callable[["Database", RolloutChange, str], tuple[Rollout, bool]]


class Rollouts:
    """Starlette routes, which answer once a worker has bound its parts."""

    def __init__(self) -> None:
        self._registry: Registry | None = None
        self._records: RecordsConnection | None = None
        changes: dict[str, Change] = {
            ROLLOUT_PAUSE.path: pause,
            ROLLOUT_RESUME.path: resume,
            ROLLOUT_PROMOTE.path: promote,
            ROLLOUT_ABORT.path: abort,
        }
        self.routes = [
            Route(ROLLOUTS.path, _answered(self._list)),
            Route(ROLLOUT_HISTORY.path, _answered(self._history)),
            Route(ROLLOUT_START.path, _answered(self._start), methods=["POST"]),
            *(
                Route(path, _answered(self._changing(change)), methods=["POST"])
                for path, change in changes.items()
            ),
        ]

    def bind(self, registry: Registry, records: RecordsConnection) -> None:
        self._registry, self._records = registry, records

    async def _list(self, request: Request) -> BaseModel:
        from records.rollouts import rollouts

        model = request.query_params.get("model")
        found = await self._with(lambda database: rollouts(database, model, limit=_MOST_ROWS))
        return RolloutsResponse(
            rollouts=[_report(one) for one in found if _may_see(request, one.model)]
        )

    async def _history(self, request: Request) -> BaseModel:
        from records.decisions import history

        model = request.query_params.get("model")
        found = await self._with(lambda database: history(database, model, limit=_MOST_ROWS))
        return HistoryResponse(
            decisions=[_decision(one) for one in found if _may_see(request, one.model)]
        )

    async def _start(self, request: Request) -> BaseModel:
        asked = await _body(request, RolloutStart)
        assert self._registry is not None  # noqa: S101 - no request comes before it is bound
        challenger = asked.challenger.removeprefix(f"{asked.model}:")
        listings = {listing.name: listing for listing in self._registry.catalog()}
        listing = listings.get(asked.model)
        if listing is None or challenger not in {one.version for one, _ in listing.versions}:
            raise BadRequestError("Invalid model name")
        answering = listing.champion.partition(":")[2]
        return await self._with(
            lambda database: _response(
                *start(database, asked, challenger, answering, _actor(request))
            )
        )

    def _changing(self, change: Change) -> Callable[[Request], Awaitable[BaseModel]]:
        async def changing(request: Request) -> BaseModel:
            asked = await _body(request, RolloutChange)
            return await self._with(
                lambda database: _response(*change(database, asked, _actor(request)))
            )

        return changing

    async def _with(self, work: "Callable[[Database], Found]") -> Found:
        """What it returns, on a thread. Raises ConflictError, BadRequestError or
        OverloadedError."""

        def run() -> Found:
            assert self._records is not None  # noqa: S101 - no request comes before it is bound
            with self._records.open() as database:
                return work(database)

        try:
            return await asyncio.to_thread(run)
        except RolloutError as error:
            raise ConflictError(str(error)) from None
        except (DatabaseError, SchemaError) as error:
            logger.warning("a rollout could not be read or changed: %s", error)
            raise OverloadedError(
                "The database is unavailable, so nothing was decided; try again.", "records"
            ) from None
        except RecordsError as error:
            # A value that can never be stored, such as a name that is too long.
            raise BadRequestError(str(error)) from None


def _answered(answer: Callable[[Request], Awaitable[BaseModel]]) -> Any:
    """A Starlette endpoint, which gives every error its one shape."""

    async def endpoint(request: Request) -> Response:
        try:
            content = await answer(request)
        except RequestError as error:
            reply = error_reply(error)
            response = Response(reply.body, reply.status)
            response.raw_headers = reply.headers
            return response
        return Response(content.model_dump_json(), HTTPStatus.OK, media_type="application/json")

    return endpoint


async def _body(request: Request, kind: type[Asked]) -> Asked:
    body = await read_body(request.scope, request.receive, _MOST_BYTES, lambda _: None)
    try:
        # json raises RecursionError for an array in an array, and so on.
        content = orjson.loads(body)
    except ValueError:
        raise BadRequestError("Body is not valid JSON.") from None
    try:
        asked = kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "The body"
        raise BadRequestError(f"{field}: {first['msg'][:1].lower()}{first['msg'][1:]}.") from None
    caller: Caller | None = request.scope.get(CALLER)
    if caller is not None:
        caller.require(asked.model)
    return asked


def _may_see(request: Request, model: str) -> bool:
    caller: Caller | None = request.scope.get(CALLER)
    return caller is None or caller.key.allows(model)


def _actor(request: Request) -> str:
    caller: Caller | None = request.scope.get(CALLER)
    return _LOOPBACK if caller is None else caller.key.name


def _response(rollout: Rollout, changed: bool) -> RolloutResponse:
    return RolloutResponse(rollout=_report(rollout), changed=changed)


def _report(rollout: Rollout) -> RolloutReport:
    return RolloutReport(
        id=rollout.id,
        model=rollout.model,
        champion=f"{rollout.model}:{rollout.champion}",
        challenger=f"{rollout.model}:{rollout.challenger}",
        stage=rollout.stage,
        share=rollout.share,
        shadow=rollout.shadow,
        paused=rollout.paused,
        started_at=rollout.started_at,
        stage_at=rollout.stage_at,
        ended_at=rollout.ended_at,
    )


def _decision(decision: Decision) -> DecisionListing:
    return DecisionListing(
        id=decision.id,
        at=decision.at,
        model=decision.model,
        action=decision.action,
        actor=decision.actor,
        because=decision.because,
        before=decision.before,
        after=decision.after,
        rollout_id=decision.rollout_id,
        numbers=dict(decision.numbers),
    )
