"""The console as an ASGI application: who may see what, the page for it, and its headers.

Pages are made on a few threads of their own, so that however many people look at them, predictions
wait for none of it.
"""

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote

from starlette.types import Receive, Scope, Send

from console import assets
from console.door import Door, Visitor, header
from console.export import Exports
from console.language import preferred, words
from console.pages.table import ROUTES, Route
from console.recent import RECENT
from console.rendering import render
from console.sentences import Sentence, said
from console.server import Server
from console.session import Session
from console.visit import Answer, Content, Export, NotHereError, Page, Redirect, Upload, Visit
from errors import DatabaseError, PupilaError, RequestError, SchemaError

logger = logging.getLogger("pupila.console")

_THREADS: Final = 2
# Beyond these, a visitor is told to come back: pages must not pile up.
_MOST_WAITING: Final = 128
_MOST_FIELDS: Final = 64
_FORM: Final = b"application/x-www-form-urlencoded"

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # With "no-referrer", browsers would not say where a form was sent from either.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), geolocation=(), microphone=(), payment=(), usb=()"),
)
_FRESH: Final = (b"cache-control", b"no-store")
_FOR_GOOD: Final = (b"cache-control", b"public, max-age=31536000, immutable")


class Console:
    """All that is below ``/console/``."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._door = Door(server)
        self._threads = ThreadPoolExecutor(_THREADS, "console")
        self._waiting = 0
        self._exports = Exports()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asset = assets.asset(scope["path"])
        if asset is not None and scope["method"] in ("GET", "HEAD"):
            await _send(send, scope, 200, asset.type, asset.content, [_FOR_GOOD])
            return
        loop = asyncio.get_running_loop()
        visitor = self._door.visitor(scope)
        parts = [unquote(part) for part in scope["path"].split("/")[2:] if part]
        visit = Visit(
            server=self._server,
            scope=scope,
            loop=loop,
            words=words(preferred(header(scope, b"accept-language"))),
            session=visitor.session,
            token=visitor.session.token(self._door.secret),
            enter=lambda secret: self._door.login(scope, secret),
            caller=visitor.caller,
            sees_records=visitor.sees_records,
            page=parts[0] if parts else "try",
            rest=parts[1:],
            query=_fields(scope.get("query_string", b"")),
            wants_json=b"application/json" in header(scope, b"accept").encode(),
        )
        answer = await self._answer(visit, visitor, receive)
        await self._send(receive, send, visit, visitor, answer)

    async def _answer(self, visit: Visit, visitor: Visitor, receive: Receive) -> Answer:
        try:
            route = _route(visit)
            if visit.scope["method"] == "POST":
                visit = await self._with_form(visit, visitor.session, receive)
            refused = self._door.refused(visit, route.need)
            return refused or await self._on_thread(route, visit)
        except NotHereError as error:
            return _failure(visit, error.status, _sentence(visit, error))
        except RequestError as error:
            return _failure(visit, error.status, said(visit.words, str(error)))
        except (DatabaseError, SchemaError) as error:
            logger.warning("a page could not be shown: %s", error)
            text = visit.words("The database does not answer, so nothing can be shown or kept now.")
            return _failure(visit, 503, Sentence(text, visit.words.language))
        except PupilaError as error:
            return _failure(visit, 409, said(visit.words, str(error)))
        except Exception:
            logger.exception("/console/%s failed", visit.page)
            text = visit.words("The server failed; its log has the reason.")
            return _failure(visit, 500, Sentence(text, visit.words.language))

    async def _on_thread(self, route: Route, visit: Visit) -> Answer:
        """What it changed is seen by whoever looks next, even if they looked meanwhile."""
        if self._waiting >= _MOST_WAITING:
            raise NotHereError(503, "Too many pages are asked for at once: try again.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, _made, route, visit
            )
        finally:
            self._waiting -= 1
            if visit.scope["method"] == "POST":
                RECENT.clear()

    async def _with_form(self, visit: Visit, session: Session, receive: Receive) -> Visit:
        """With the fields and files of its form. Raises NotHereError unless a page of ours has sent
        it, RequestError."""
        # Before the body is read: a stranger's costs nothing.
        self._door.check_origin(visit.scope)
        body = await self._server.read(visit.scope, receive)
        kind = header(visit.scope, b"content-type").encode()
        fields: dict[str, str] = {}
        files: dict[str, Upload] = {}
        if kind.startswith(b"multipart/form-data"):
            for part in self._server.form(body, kind, _MOST_FIELDS):
                if part.filename is None:
                    fields[part.name] = part.content.decode(errors="replace")
                elif part.content:
                    files[part.name] = Upload(part.filename, part.content)
        elif kind.startswith(_FORM):
            fields = _fields(body)
        else:
            raise NotHereError(415, "Forms are read as browsers send them.")
        if not session.accepts(fields.get("token", ""), self._door.secret):
            raise NotHereError(403, "The page was too old, or not one of ours: load it again.")
        return replace(visit, form=fields, files=files)

    async def _send(
        self, receive: Receive, send: Send, visit: Visit, visitor: Visitor, answer: Answer
    ) -> None:
        headers = [_FRESH, (b"vary", b"accept-language, cookie")]
        cookie = visitor.cookie
        if isinstance(answer, Redirect) and answer.cookie is not None:
            cookie = answer.cookie
        if cookie is not None:
            headers.append((b"set-cookie", cookie.encode()))
        if isinstance(answer, Redirect):
            headers.append((b"location", answer.to.encode("ascii", "replace")))
            await _send(send, visit.scope, HTTPStatus.SEE_OTHER, "text/plain", b"", headers)
            return
        if isinstance(answer, Export):
            headers.append((b"content-disposition", _attachment(answer.name)))
            try:
                await self._exports.send(receive, send, answer, [*_HEADERS, *headers])
            except NotHereError as error:
                answer = _failure(visit, error.status, _sentence(visit, error))
                headers.pop()
            else:
                return
        if isinstance(answer, Page):
            # One that is shown without a thread: it needs nothing of the database.
            answer = rendered(visit, answer)
        if answer.name is not None:
            headers.append((b"content-disposition", _attachment(answer.name)))
        await _send(send, visit.scope, answer.status, answer.type, answer.body, headers)


def _route(visit: Visit) -> Route:
    """Raises NotHereError."""
    method = "GET" if visit.scope["method"] == "HEAD" else visit.scope["method"]
    route = ROUTES.get((method, visit.page))
    if route is not None:
        return route
    if any(page == visit.page for _, page in ROUTES):
        raise NotHereError(405, "This page cannot be asked for in this way.")
    raise NotHereError(404, "There is no such page.")


def _made(route: Route, visit: Visit) -> Answer:
    """The page as what is sent, made on this thread."""
    answer = route.answer(visit)
    return rendered(visit, answer) if isinstance(answer, Page) else answer


def rendered(visit: Visit, page: Page) -> Content:
    return Content(render(visit, page).encode(), "text/html; charset=utf-8", status=page.status)


def _failure(visit: Visit, status: int, sentence: Sentence) -> Content:
    if visit.wants_json:
        body = {"detail": sentence.text, "language": sentence.language}
        return Content(json.dumps(body).encode(), "application/json", status=status)
    return rendered(visit, Page("failure.html", {"sentence": sentence, "status": status}, status))


def _sentence(visit: Visit, error: NotHereError) -> Sentence:
    """One of the catalogue's, or what the server answered."""
    if error.values:
        return Sentence(visit.words(str(error), **error.values), visit.words.language)
    return said(visit.words, str(error))


def _fields(text: bytes) -> dict[str, str]:
    """The first value of each field."""
    try:
        pairs = parse_qsl(
            text.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise NotHereError(400, "The form has too many fields.") from None
    return dict(reversed(pairs))


def _attachment(name: str) -> bytes:
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return f'attachment; filename="{safe}"'.encode()


async def _send(
    send: Send,
    scope: Scope,
    status: int,
    kind: str,
    body: bytes,
    headers: list[tuple[bytes, bytes]],
) -> None:
    known = [
        (b"content-type", kind.encode()),
        (b"content-length", b"%d" % len(body)),
        *_HEADERS,
        *headers,
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": known})
    content = b"" if scope["method"] == "HEAD" else body
    await send({"type": "http.response.body", "body": content})
