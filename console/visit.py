"""One request for a page, as the page sees it, and what a page answers."""

import asyncio
import json
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode

from starlette.types import Scope

from console.language import Words
from console.server import Caller, Listing, Reply, Server
from console.session import Session
from records.key import Scope as KeyScope

T = TypeVar("T")
Need = Literal["nobody", "viewer", "label", "operate"]
"""Who may: anybody; who may see records; and whose key has the scope."""


class NotHereError(Exception):
    """There is no such page, or not for this visitor; its text is one of the catalogue's."""

    def __init__(self, status: int, text: str, **values: object) -> None:
        super().__init__(text)
        self.status = status
        self.values = values


@dataclass(frozen=True)
class Upload:
    """A file of a form; its name is whatever the client says."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Page:
    """A template and what it shows."""

    template: str
    content: Mapping[str, Any]
    status: int = 200


@dataclass(frozen=True)
class Redirect:
    """To another page, by GET; ``cookie``: to be set."""

    to: str
    cookie: str | None = None


@dataclass(frozen=True)
class Content:
    """Anything else; ``name``: of the file as which a browser saves it."""

    body: bytes
    type: str
    name: str | None = None
    status: int = 200


@dataclass(frozen=True)
class Export:
    """A file that a command writes; ``arguments``: of ``python``, to which its path is added;
    ``progress``: a file in which it says how far it is."""

    arguments: Sequence[str]
    type: str
    name: str
    progress: Path | None = None


Answer = Page | Redirect | Content | Export


@dataclass(frozen=True)
class Visit:
    """``caller``: whose key was shown; ``sees_records``: whether pages that show records answer;
    ``rest``: the parts of the path after the page's name; ``wants_json``: asked by our script;
    ``enter``: the cookie of whoever has a key's secret."""

    server: Server
    scope: Scope
    loop: asyncio.AbstractEventLoop
    words: Words
    session: Session
    token: str
    enter: Callable[[str], str]
    caller: Caller | None
    sees_records: bool
    page: str
    rest: Sequence[str] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)
    wants_json: bool = False

    def may(self, scope: KeyScope) -> bool:
        """Whether the visitor has the right; without keys, whoever sees records has all."""
        if self.server.closed:
            return self.caller is not None and scope in self.caller.key.scopes
        return self.sees_records or scope == "predict"

    @property
    def who(self) -> str:
        """As the audit and the history name the visitor."""
        return "loopback" if self.caller is None else self.caller.key.name

    @property
    def source(self) -> str:
        """As whose the visitor's labels are kept."""
        return "console" if self.caller is None else self.caller.key.name

    def listings(self) -> list[Listing]:
        """The models that the visitor may ask."""
        found = self.server.listings()
        if self.caller is None:
            return list(found)
        return [one for one in found if self.caller.key.allows(one.name)]

    def allows(self, model: str) -> bool:
        return self.caller is None or self.caller.key.allows(model)

    @property
    def model(self) -> Listing | None:
        """The one that is asked for, else the default one, else any."""
        listings = {one.name: one for one in self.listings()}
        for name in (self.form.get("model"), self.query.get("model"), *self.rest[:1]):
            if name in listings:
                return listings[name]
        default = listings.get(self.server.settings.default_model)
        return default or next(iter(listings.values()), None)

    @property
    def chosen(self) -> str:
        """The name of the model, unless it is the one that a page shows anyway."""
        model = self.model
        anyway = replace(self, form={}, query={}, rest=()).model
        return "" if model is None or anyway is None or model.name == anyway.name else model.name

    def ask(self, path: str, content: Any) -> Reply:
        """The answer of one of the server's routes to this visitor; not from the event loop."""
        body = json.dumps(content).encode()
        return self.wait(self.server.ask(self.scope, self.caller, path, body))

    def ask_about(self, path: str, image: bytes, fields: Mapping[str, object]) -> Reply:
        """The same for a form with an image as it is, which takes no more room than it has."""
        boundary = secrets.token_hex(16)
        head = "".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        )
        disposition = 'Content-Disposition: form-data; name="image"; filename="image"'
        start = f"{head}--{boundary}\r\n{disposition}\r\n\r\n".encode()
        body = start + image + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self.wait(self.server.ask(self.scope, self.caller, path, body, kind))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


def link(page: str, /, *parts: object, **query: object) -> str:
    """A path of the console."""
    path = "/".join(["/console", page, *(quote(str(part), safe="") for part in parts)])
    chosen = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(chosen)}" if chosen else path
