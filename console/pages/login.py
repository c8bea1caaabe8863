"""Logging in with a key, and out again."""

from console.door import set_cookie
from console.sentences import Sentence, said
from console.visit import Answer, NotHereError, Page, Redirect, Visit
from errors import RequestError


def ask(visit: Visit) -> Answer:
    if not visit.server.closed:
        return Redirect("/console/")
    return _page(_target(visit.query.get("to", "")))


def enter(visit: Visit) -> Answer:
    to = _target(visit.form.get("to", ""))
    if not visit.server.closed:
        return Redirect(to)
    try:
        return Redirect(to, cookie=visit.enter(visit.form.get("key", "")))
    except NotHereError as error:
        text = visit.words(str(error), **error.values)
        return _page(to, Sentence(text, visit.words.language), error.status)
    except RequestError as error:
        return _page(to, said(visit.words, str(error)), error.status)


def leave(visit: Visit) -> Answer:
    return Redirect("/console/", cookie=set_cookie(visit.scope, "", 0))


def _page(to: str, wrong: Sentence | None = None, status: int = 200) -> Page:
    return Page("login.html", {"to": to, "wrong": wrong}, status)


def _target(text: str) -> str:
    """A page of ours: what a link says must not lead a visitor elsewhere."""
    inside = text.startswith("/console/") and not set(text) & set("\\\r\n") and "//" not in text
    return text if inside else "/console/"
