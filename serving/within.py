"""The server as its console sees it: routes asked from within the process, keys, records.

What is asked here is admitted, counted, limited and recorded as if it had come over the network:
the same endpoints answer, and the same scope of the same key is needed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope

from errors import ForbiddenError, NotFoundError, RequestError
from models.store import Store
from serving.endpoint import Endpoint
from serving.http.body import read_body
from serving.http.multipart import Part, parse_form
from serving.http.reply import Reply, error_reply
from serving.http.routes import ROUTES
from serving.inference.admission import Admission
from serving.keys.caller import CALLER, Caller
from serving.keys.keyring import MISSING, Keyring
from serving.keys.loopback import is_local
from serving.recording.connection import RecordsConnection
from serving.routing.registry import Listing, Registry
from settings import Settings

if TYPE_CHECKING:
    from records.database import Database

_ROUTES: Final = {route.path: route for route in ROUTES}


class Within:
    """Usable once a worker has bound its parts; ``console.server.Server`` says what is used."""

    def __init__(self, settings: Settings, store: Store, ring: Keyring) -> None:
        self.settings = settings
        self.store = store
        self._ring = ring
        self._endpoints: Mapping[str, Endpoint] = {}

    def bind(
        self,
        endpoints: Mapping[str, Endpoint],
        others: ASGIApp,
        admission: Admission,
        registry: Registry,
        records: RecordsConnection,
    ) -> None:
        """``others``: answers the routes that have no endpoint."""
        self._endpoints, self._others = endpoints, others
        self._admission, self._registry, self._records = admission, registry, records

    @property
    def closed(self) -> bool:
        """Whether a key is needed."""
        return self._ring.closed

    def callers(self) -> Sequence[Caller]:
        return self._ring.callers()

    def find(self, secret: bytes) -> Caller:
        """Whose secret it is. Raises UnauthorizedError or OverloadedError."""
        return self._ring.find(secret)

    def is_local(self, scope: Scope) -> bool:
        return is_local(scope)

    def records(self) -> "AbstractContextManager[Database]":
        """On any thread but the event loop's. Raises RecordsError, as the block may."""
        return self._records.open()

    def listings(self) -> list[Listing]:
        return self._registry.catalog()

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """A body, as it is read of any other request. Raises RequestError."""
        with self._admission.bodies() as hold:
            return await read_body(scope, receive, self.settings.max_body_bytes, hold)

    def form(self, body: bytes, content_type: bytes, most: int) -> list[Part]:
        """The fields of ``multipart/form-data``. Raises BadRequestError."""
        return parse_form(body, content_type, most)

    async def ask(
        self,
        origin: Scope,
        caller: Caller | None,
        path: str,
        body: bytes,
        content_type: str = "application/json",
    ) -> Reply:
        """The answer to a body. ``origin``: the request that this one is asked for; ``caller``:
        whose key that came with, None on a server without keys."""
        try:
            route = _ROUTES.get(path)
            if route is None:
                raise NotFoundError(f"{path} is no route.")
            if self._ring.closed:
                if caller is None:
                    raise MISSING.with_traceback(None)
                caller.admit(route.scope)
            elif route.scope == "operate" and not is_local(origin):
                raise ForbiddenError("Without keys, this is for the server's own machine only.")
        except RequestError as error:
            return error_reply(error)
        scope = _scope(origin, route.method, path, len(body), content_type)
        if caller is not None:
            scope[CALLER] = caller
        endpoint = self._endpoints.get(path)
        if endpoint is not None:
            return await endpoint(scope, _receive(body))
        return await _collected(self._others, scope, _receive(body))


def _scope(origin: Scope, method: str, path: str, size: int, content_type: str) -> Scope:
    return {
        "type": "http",
        "asgi": origin.get("asgi", {"version": "3.0"}),
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", content_type.encode()),
            (b"content-length", b"%d" % size),
        ],
        "client": origin.get("client"),
        "server": origin.get("server"),
    }


def _receive(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            # Nobody disconnects: whoever is asked may look for that at any time.
            await asyncio.get_running_loop().create_future()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _collected(app: ASGIApp, scope: Scope, receive: Receive) -> Reply:
    status, headers, body = 500, [], b""

    async def send(message: Message) -> None:
        nonlocal status, headers, body
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            body += message.get("body", b"")

    await app(scope, receive, send)
    return Reply(status, headers, body)
