"""The pages, in one table: what answers each, and who may ask for it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from console.pages import data, images, labelling, login, trying, versions, watching
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
    ("GET", "image"): Route(images.show, "viewer"),
    ("GET", "label"): Route(labelling.show, "viewer"),
    ("POST", "label"): Route(labelling.label, "label"),
    ("GET", "watch"): Route(watching.show, "viewer"),
    ("POST", "watch"): Route(watching.begin, "operate"),
    ("GET", "versions"): Route(versions.show, "viewer"),
    ("POST", "versions"): Route(versions.change, "operate"),
    ("GET", "data"): Route(data.show, "viewer"),
    ("POST", "data"): Route(data.change, "viewer"),
}
"""By method and the first part of the path."""
