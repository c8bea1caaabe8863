"""Who a visitor is, what they may see, and whether a form was sent by one of our pages."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.types import Scope

from console.secret import shared_secret
from console.server import Caller, Server
from console.session import COOKIE, SECONDS, Session, caller_of, read_session
from console.visit import Answer, Need, NotHereError, Page, Redirect, Visit, link
from records.key import Scope as KeyScope

ENTERING: Final[tuple[KeyScope, ...]] = ("label", "operate")
"""A key with one of these opens the console."""

_MOST_COOKIES: Final = 8192


@dataclass(frozen=True)
class Visitor:
    """``cookie``: to be set, None if the browser has it already."""

    session: Session
    caller: Caller | None
    sees_records: bool
    cookie: str | None


class Door:
    def __init__(self, server: Server) -> None:
        self._server = server
        self.secret = shared_secret(server.settings)

    def visitor(self, scope: Scope) -> Visitor:
        """By the cookie, or as somebody new."""
        server = self._server
        session = None
        value = _cookie(scope)
        if value is not None:
            session = read_session(value, self.secret, server.callers() if server.closed else ())
        if session is None:
            session = Session.new()
            cookie = set_cookie(scope, session.signed(self.secret, b""))
        else:
            cookie = None
        caller = caller_of(session.name, server.callers()) if session.name else None
        sees = caller is not None if server.closed else server.is_local(scope)
        return Visitor(session, caller, sees and server.settings.record, cookie)

    def login(self, scope: Scope, secret: str) -> str:
        """The cookie of whoever has the key. Raises RequestError, or NotHereError if it is for
        less."""
        caller = self._server.find(secret.strip().encode())
        if caller_of(caller.key.name, [caller]) is None:
            raise NotHereError(401, "The key has ended.")
        if not set(ENTERING) & set(caller.key.scopes):
            raise NotHereError(403, "The console needs a key with the scope label or operate.")
        session = Session.new(caller.key.name)
        return set_cookie(scope, session.signed(self.secret, caller.key.digest))

    def check_origin(self, scope: Scope) -> None:
        """Raises NotHereError for a form that another site sent: browsers say where it was."""
        site = header(scope, b"sec-fetch-site")
        origin = header(scope, b"origin")
        own = header(scope, b"host").lower()
        if site not in ("", "same-origin", "none") or (
            origin and urlsplit(origin).netloc.lower() != own
        ):
            raise NotHereError(403, "The form was sent by a page of another site.")

    def refused(self, visit: Visit, need: Need) -> Answer | None:
        """What a visitor gets in place of a page that needs more; None to go on."""
        server = self._server
        if server.closed and visit.caller is None and visit.page not in ("login", "logout"):
            if visit.scope["method"] == "POST":
                raise NotHereError(401, "Nobody is logged in any more: load the page again.")
            return Redirect(link("login", to=visit.scope["path"]))
        if need == "nobody":
            return None
        if not server.settings.record:
            raise NotHereError(404, "This server keeps no records, so there is nothing to show.")
        if not visit.sees_records:
            return Page("closed.html", {}, status=403)
        if need != "viewer" and not visit.may(need):
            raise NotHereError(403, "Your key lacks the scope {scope}.", scope=need)
        return None


def set_cookie(scope: Scope, value: str, seconds: int = SECONDS) -> str:
    """Scripts cannot read it, and no other site's page makes a browser send it."""
    tls = scope.get("scheme") == "https" or header(scope, b"x-forwarded-proto") == "https"
    secure = "; Secure" if tls else ""
    kept = f"Max-Age={seconds}; Path=/console; HttpOnly; SameSite=Strict"
    return f"{COOKIE}={value}; {kept}{secure}"


def header(scope: Scope, name: bytes) -> str:
    """The first value of a header; empty if there is none."""
    for known, value in scope["headers"]:
        if known == name:
            return bytes(value).decode("latin-1")
    return ""


def _cookie(scope: Scope) -> str | None:
    text = header(scope, b"cookie")[:_MOST_COOKIES]
    if COOKIE not in text:
        return None
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None
