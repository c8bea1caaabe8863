"""Answers RPCs by asking the routes of ``/v2``: keys, admission, deadlines, records, rollouts and
metrics are theirs.
"""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import grpc
import orjson
from starlette.types import Message, Receive, Scope

from errors import BodyTimeoutError, RequestError
from logs.lines import raised
from serving.grpc.messages import SERVICE, messages
from serving.grpc.transcoding import Inference, described, inference, inferred, tagged, told
from serving.grpc.turns import Turns
from serving.http.body import BODY_SECONDS
from serving.http.front import Admit, Answer
from serving.http.oip import (
    HEADER_LENGTH,
    INDEX,
    INFER,
    LIVE,
    MODEL,
    MODEL_READY,
    READY,
    SERVER,
    in_their_shape,
    oip_error,
)
from serving.http.reply import INTERNAL, Reply
from serving.http.route import Route
from serving.http.throttle import Throttle
from serving.offloop import off_loop_if_large

logger = logging.getLogger("pupila.grpc")

Code = grpc.StatusCode

_CODES: Final[Mapping[int, grpc.StatusCode]] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    408: Code.DEADLINE_EXCEEDED,
    413: Code.RESOURCE_EXHAUSTED,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    503: Code.UNAVAILABLE,
}

# Metadata that mean to us what the headers of the same names do.
_HEADERS: Final = frozenset(("authorization", "x-api-key", "traceparent", "tracestate"))

# Headers of a reply that say how its body is written, which has become a message.
_OF_THE_BODY: Final = frozenset((b"content-type", b"content-length", HEADER_LENGTH))

_PEER: Final = re.compile(r"ipv[46]:\[?([0-9a-f.:]+)\]?:([0-9]+)")


def has_reader(record: logging.LogRecord) -> bool:
    """Not of an answer to a client that has given up, which gRPC logs as an error of ours."""
    return record.exc_info is None or not isinstance(record.exc_info[1], grpc.aio.InternalError)


class Rpc(NamedTuple):
    """A method of the service: the route that answers it, and which messages it takes and gives.

    ``refused``: statuses of the route that this method has an answer for.
    """

    route: Route
    takes: str
    gives: str
    refused: Mapping[int, Mapping[str, Any]] = {}


RPCS: Final[Mapping[str, Rpc]] = {
    "ServerLive": Rpc(LIVE, "ServerLiveRequest", "ServerLiveResponse"),
    "ServerReady": Rpc(READY, "ServerReadyRequest", "ServerReadyResponse", {400: {"ready": False}}),
    "ModelReady": Rpc(
        MODEL_READY,
        "ModelReadyRequest",
        "ModelReadyResponse",
        {400: {"ready": False}, 404: {"ready": False}},
    ),
    "ServerMetadata": Rpc(SERVER, "ServerMetadataRequest", "ServerMetadataResponse"),
    "ModelMetadata": Rpc(MODEL, "ModelMetadataRequest", "ModelMetadataResponse"),
    "RepositoryIndex": Rpc(INDEX, "RepositoryIndexRequest", "RepositoryIndexResponse"),
}
"""All but ModelInfer."""


class Door(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds who answers a method, for gRPC's server.

    ``answers`` and ``admit`` are those of ``Front``; ``reading``: how many messages may be read at
    the same time, since each may be as large as a body.
    """

    def __init__(self, answers: Mapping[str, Answer], admit: Admit, reading: int) -> None:
        self._answers = answers
        self._admit = admit
        self._throttle = Throttle()
        self._turns = Turns(reading)
        # Those that their client has given up end by themselves.
        self._tasks: set[asyncio.Task[Reply]] = set()

    def service(self, called: Any) -> Any:
        """The handler of the method that was called; None for one of another service."""
        service, _, method = called.method.removeprefix("/").partition("/")
        if service != SERVICE:
            return None
        rpc = RPCS.get(method)
        if rpc is None and method != "ModelInfer":
            return grpc.stream_stream_rpc_method_handler(partial(_refuse, method))
        # A stream of one message is read when we ask for it, and as bytes: others are read and
        # parsed before anybody knows whose they are.
        return grpc.stream_unary_rpc_method_handler(
            self._infer if rpc is None else partial(self._tell, rpc),
            None,
            messages()["ModelInferResponse" if rpc is None else rpc.gives].SerializeToString,
        )

    async def _tell(self, rpc: Rpc, _: Any, context: Any) -> Any:
        scope = _scope(rpc.route, context)
        await self._enter(scope, context)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                asked = told(rpc.takes, await self._read(context))
        except TimeoutError:
            late = f"The message did not arrive within {BODY_SECONDS:.0f} seconds."
            await _abort(context, oip_error(BodyTimeoutError(late)))
        except RequestError as error:
            await _abort(context, oip_error(error))
        body = b""
        if rpc.route in (MODEL, MODEL_READY):
            scope["path_params"] = {"model": tagged(asked.name, asked.version)}
        elif rpc.route is INDEX:
            body = orjson.dumps({"ready": asked.ready})

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        reply = await self._reply(rpc.route, scope, receive)
        if reply.status in rpc.refused:
            return messages()[rpc.gives](**rpc.refused[reply.status])
        if reply.status != HTTPStatus.OK:
            await _abort(context, reply)
        said = orjson.loads(reply.body)
        return described(rpc.gives, {"models": said} if rpc.route is INDEX else said)

    async def _infer(self, _: Any, context: Any) -> Any:
        scope = _scope(INFER, context)
        await self._enter(scope, context)
        call = _Call(scope, partial(self._read, context))
        task = asyncio.create_task(self._reply(INFER, scope, call.receive))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            reply = await asyncio.shield(task)
        except asyncio.CancelledError:
            call.is_gone = True
            raise
        if reply.status != HTTPStatus.OK:
            await _abort(context, reply)
        await context.send_initial_metadata(_metadata(reply))
        return inferred(reply)

    async def _enter(self, scope: Scope, context: Any) -> None:
        """Ends the RPC unless the gate lets it in."""
        refusal = self._admit(scope)
        if refusal is not None:
            await asyncio.sleep(self._throttle.wait(time.monotonic()))
            await _abort(context, in_their_shape(refusal))

    async def _read(self, context: Any) -> bytes:
        data = await self._turns.take(context.read)
        # None: the client has sent no message.
        return data if isinstance(data, bytes) else b""

    async def _reply(self, route: Route, scope: Scope, receive: Receive) -> Reply:
        try:
            return await self._answers[route.path](scope, receive)
        except Exception as error:  # noqa: BLE001 - it is logged
            logger.error("%s failed", route.path, extra=raised(error))  # noqa: TRY400 - as text
            return oip_error(INTERNAL)


class _Call:
    """What an RPC of inference is to its endpoint: a request whose body its message is.

    ``receive`` may be dropped halfway and called again, as ASGI's may.
    """

    def __init__(self, scope: Scope, read: Callable[[], Awaitable[bytes]]) -> None:
        self.is_gone = False
        self._scope = scope
        self._read = read
        self._reading: asyncio.Task[Inference] | None = None
        self._is_read = False

    async def receive(self) -> Message:
        if self._is_read:
            if not self.is_gone:
                await asyncio.get_running_loop().create_future()
            return {"type": "http.disconnect"}
        if self._reading is None:
            self._reading = asyncio.create_task(self._asked())
        try:
            asked = await asyncio.shield(self._reading)
        except asyncio.CancelledError:
            # It took too long, and nobody will ask again.
            self._reading.cancel()
            raise
        self._is_read = True
        self._scope["path_params"] = {"model": asked.model}
        self._scope["headers"].append((HEADER_LENGTH, b"%d" % asked.length))
        return {"type": "http.request", "body": asked.body, "more_body": False}

    async def _asked(self) -> Inference:
        data = await self._read()
        return await off_loop_if_large(data, inference, data)


async def _refuse(method: str, _: Any, context: Any) -> None:
    await context.abort(
        Code.UNIMPLEMENTED,
        f"There is no method {method[:100]!r} here; there are {', '.join(RPCS)} and ModelInfer.",
    )


async def _abort(context: Any, reply: Reply) -> None:
    """End the RPC, by an exception, with the status and sentence of an error's reply."""
    code = _CODES.get(reply.status, Code.INTERNAL)
    await context.abort(code, orjson.loads(reply.body)["error"], _metadata(reply))


def _metadata(reply: Reply) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in reply.headers
        if name not in _OF_THE_BODY
    )


def _scope(route: Route, context: Any) -> Scope:
    """As of the HTTP request that asks the same."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in context.invocation_metadata() or ()
        if name in _HEADERS and isinstance(value, str)
    ]
    peer = _PEER.fullmatch(unquote(context.peer()))
    return {
        "type": "http",
        "http_version": "2",
        "scheme": "http",
        "method": route.method,
        "path": route.path,
        "headers": headers,
        "client": (peer[1], int(peer[2])) if peer else None,
        "path_params": {"model": ""},
    }
