"""The pages, in one table: what answers each, and who may ask for it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from console.pages import login, trying
from console.visit import Answer, Need, Visit


class Route(NamedTuple):
    answer: Callable[[Visit], Answer]
    need: Need


ROUTES: Final[Mapping[tuple[str, str], Route]] = {
    ("GET", "login"): Route(login.ask, "nobody"),
    ("POST", "login"): Route(login.enter, "nobody"),
    ("POST", "logout"): Route(login.leave, "nobody"),
    ("GET", "try"): Route(trying.show, "nobody"),
    ("POST", "try"): Route(trying.classify, "nobody"),
}
"""By method and the first part of the path."""
