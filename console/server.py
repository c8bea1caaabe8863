"""What the console needs of the server that it is a part of."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from starlette.types import Receive, Scope

from models.store import Store
from models.version import Version
from records.key import Key
from records.routing import Rollout
from settings import Settings

if TYPE_CHECKING:
    from records.database import Database


class Caller(Protocol):
    """Who has a key."""

    @property
    def key(self) -> Key: ...


class Listing(Protocol):
    """A model; ``champion`` and ``challenger`` are tags."""

    @property
    def name(self) -> str: ...
    @property
    def champion(self) -> str: ...
    @property
    def challenger(self) -> str | None: ...
    @property
    def versions(self) -> Sequence[tuple[Version, bool]]: ...
    @property
    def rollout(self) -> Rollout | None: ...


class Part(Protocol):
    """A field of a form."""

    @property
    def name(self) -> str: ...
    @property
    def filename(self) -> str | None: ...
    @property
    def content(self) -> bytes: ...


class Reply(Protocol):
    """An answer of one of the server's routes."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...
    @property
    def body(self) -> bytes: ...


class Server(Protocol):
    """In practice a ``serving.within.Within``, where each of these is described."""

    settings: Settings
    store: Store

    @property
    def closed(self) -> bool: ...

    def callers(self) -> Sequence[Caller]: ...

    def find(self, secret: bytes) -> Caller: ...

    def is_local(self, scope: Scope) -> bool: ...

    def records(self) -> "AbstractContextManager[Database]": ...

    def listings(self) -> Sequence[Listing]: ...

    async def read(self, scope: Scope, receive: Receive) -> bytes: ...

    def form(self, body: bytes, content_type: bytes, most: int) -> Sequence[Part]: ...

    async def ask(
        self, origin: Scope, caller: Any, path: str, body: bytes, content_type: str = ...
    ) -> Reply: ...
